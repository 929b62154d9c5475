import type { components } from "./schema.js";

type Body = components["schemas"]["Problem"];

/** What the shop refuses with. New codes may come with new versions of the shop. */
export type ProblemCode = components["schemas"]["ProblemCode"] | (string & {});

/** A refusal or a fault of the shop (RFC 9457). Compare `code`, show `detail` or `message`. */
export class Problem extends Error {
  override readonly name = "Problem";
  /** The HTTP status. */
  readonly status: number;
  /** What happened, e.g. `out_of_stock`; it stays the same over versions. `no_problem` when no shop answered, but e.g. a proxy. */
  readonly code: ProblemCode;
  /** What happened, for people. */
  readonly detail: string;
  /** The fields that are not as they should be, all at once. */
  readonly errors: readonly { readonly pointer: string; readonly detail: string }[];
  /** What to tell those who look after the shop. */
  readonly requestId: string | undefined;
  /** After how many seconds to try again, where that helps. */
  readonly retryAfter: number | undefined;
  /** The whole document: some problems say more, such as `lines` of `out_of_stock`. */
  readonly body: Readonly<Record<string, unknown>>;

  private constructor(response: Response, body: Partial<Body> & Record<string, unknown>) {
    const detail = body.detail ?? body.title ?? response.statusText;
    super(`${response.status} ${body.code ?? ""}: ${detail}`);
    this.status = response.status;
    this.code = body.code ?? "no_problem";
    this.detail = detail;
    this.errors = body.errors ?? [];
    this.requestId = body.requestId ?? response.headers.get("x-request-id") ?? undefined;
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    this.retryAfter = Number.isFinite(seconds) ? seconds : undefined;
    this.body = body;
  }

  /** Reads the problem out of an answer. */
  static async of(response: Response): Promise<Problem> {
    const text = await response.text();
    try {
      const body: unknown = JSON.parse(text);
      if (typeof body === "object" && body !== null) return new Problem(response, body as Partial<Body> & Record<string, unknown>);
    } catch {
      // Not the shop's: a proxy's page, or nothing at all.
    }
    return new Problem(response, {});
  }
}
