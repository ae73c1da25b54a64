// Asking the server. A feed holds the rows of one question, and after the first answer asks only
// for what has changed.

const TIMEOUT = 15_000;

/** GET of JSON; throws on anything but 200. */
export async function getJson(path) {
  const response = await fetch(path, {
    cache: "no-store",
    headers: { accept: "application/json" },
    signal: AbortSignal.timeout(TIMEOUT),
  });
  if (!response.ok) {
    const told = await response.json().catch(() => null);
    const error = new Error(told?.error?.message ?? `the server said ${response.status}`);
    throw Object.assign(error, { status: response.status });
  }
  return response.json();
}

/** The rows of one question. */
export class Feed {
  constructor(parameters) {
    this.parameters = parameters;
    this.name = JSON.stringify(parameters);
    this.rows = new Map();
    this.cursor = "0";
  }

  /** Whether it answers the question already. */
  answers(parameters) {
    return this.name === JSON.stringify(parameters);
  }

  /** Asks for what has changed; true where something has. */
  async poll() {
    let changed = false;
    for (;;) {
      const query = new URLSearchParams({ ...this.parameters, since: this.cursor, limit: "1000" });
      const answer = await getJson(`api/v1/rows?${query}`);
      if (answer.reset) {
        this.rows.clear();
        changed = true;
      }
      answer.rows.forEach((row, i) => this.rows.set(answer.keys[i], row));
      changed ||= answer.rows.length > 0;
      this.cursor = answer.cursor;
      if (answer.rows.length >= answer.total) return changed;
    }
  }
}
