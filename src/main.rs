//! The binary: see the library's [`tidemark::cli`].

fn main() -> std::process::ExitCode {
    tidemark::cli::main()
}
