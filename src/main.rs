//! The binary: see the library's [`tidemark::cli`].

// Cells are many small vectors that grow: docs/performance.md has what it saves.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tidemark::cli::main()
}
