/**
 * A typed client of an Ironmonger shop: `createShop` gives an openapi-fetch client that signs in, keeps its tokens fresh,
 * makes writes safe to repeat, and throws refusals as {@link Problem}s.
 *
 * `schema.d.ts` is generated from the API's document (`cargo xtask client`); this file is written by hand.
 */
import createClient, { type Client } from "openapi-fetch";

import { Problem } from "./problem.js";
import type { components, paths } from "./schema.js";

export { Problem, type ProblemCode } from "./problem.js";
export type { components, operations, paths } from "./schema.js";

/** Everything that calls take and give, by its name in the API's document. */
export type Schemas = components["schemas"];
export type Cart = Schemas["Cart"];
export type Category = Schemas["Category"];
export type NewOrder = Schemas["NewOrder"];
export type NewProduct = Schemas["NewProduct"];
export type Order = Schemas["Order"];
export type Payment = Schemas["Payment"];
export type Placed = Schemas["Placed"];
export type Product = Schemas["Product"];
export type Session = Schemas["Session"];
export type User = Schemas["User"];
export type Variant = Schemas["Variant"];

/** What a session consists of. Whoever holds it is signed in: keep it like a password. */
export interface Tokens {
  /** The access token, or an API key (`imk_…`). */
  token: string;
  /** Trades for a new pair when the access token has expired. Absent for API keys. */
  refreshToken?: string | undefined;
}

/** How to reach a shop, and as whom. */
export interface ShopOptions {
  /** Where the shop is, e.g. `https://shop.example`. In a browser that got its page from there, "" will do. */
  baseUrl: string;
  /** An access token or API key to begin with. */
  token?: string | undefined;
  /** The refresh token that came with it. */
  refreshToken?: string | undefined;
  /** Told whenever the tokens change, with nothing when the session has ended: the place to store them. */
  onTokens?: ((tokens: Tokens | undefined) => void) | undefined;
  /** What requests are made with; the platform's own `fetch` when absent. */
  fetch?: ((request: Request) => Promise<Response>) | undefined;
}

/** Paths whose GET answers with a list. */
export type ListPath = {
  [P in keyof paths]: paths[P] extends { get: { responses: { 200: { content: { "application/json": unknown[] } } } } }
    ? P
    : never;
}[keyof paths];

/** What the list at a path holds. */
export type ItemOf<P extends ListPath> = paths[P] extends {
  get: { responses: { 200: { content: { "application/json": (infer Item)[] } } } };
}
  ? Item
  : never;

/** The parameters of the list at a path. */
export type ListParams<P extends ListPath> = paths[P] extends { get: { parameters: infer Parameters } }
  ? Pick<Parameters, keyof Parameters & ("path" | "query")>
  : never;

/** A shop, seen by one caller: `GET`, `POST`, `PUT`, `PATCH`, `DELETE` of openapi-fetch, and what is added here. */
export interface Shop extends Client<paths, "application/json"> {
  /** The tokens in use; none when nobody is signed in. */
  readonly tokens: Tokens | undefined;
  /** Signs in; from now on calls are made as this user. */
  signIn(login: Schemas["Login"]): Promise<Session>;
  /** Opens an account and signs in. */
  register(account: Schemas["Register"]): Promise<Session>;
  /** Goes on as a guest, who can fill a cart and order. Their token, as `guestToken` of a later `signIn` or `register`, takes the cart along. */
  enterAsGuest(): Promise<void>;
  /** Ends the session. */
  signOut(): Promise<void>;
  /** The pages of a list, fetched one by one as they are asked for. */
  pages<P extends ListPath>(path: P, params?: ListParams<P>): AsyncGenerator<ItemOf<P>[], void, undefined>;
  /** The records of a list, over all its pages. */
  each<P extends ListPath>(path: P, params?: ListParams<P>): AsyncGenerator<ItemOf<P>, void, undefined>;
}

/** An answer of openapi-fetch. */
type Answered<Data> = { data?: Data; error?: unknown; response: Response };

/**
 * What a call answered, without its wrapping: `const product = await answer(shop.GET("/api/products/{id}", …))`.
 * Refusals have been thrown before. Do not use it with `If-None-Match`: a 304 has nothing to answer.
 */
export async function answer<Data>(call: Promise<Answered<Data>>): Promise<NonNullable<Data>> {
  return (await call).data as NonNullable<Data>;
}

/** Opens a shop's door. Nothing is sent until the first call. */
export function createShop(options: ShopOptions): Shop {
  const fetched = options.fetch ?? ((request: Request) => globalThis.fetch(request));
  let tokens: Tokens | undefined = options.token
    ? { token: options.token, refreshToken: options.refreshToken }
    : undefined;
  let refreshing: Promise<void> | undefined;

  function keep(next: Tokens | undefined): void {
    tokens = next;
    options.onTokens?.(next);
  }

  /** Gets a new pair of tokens. Calls that need one at the same time wait for the same pair. */
  function refresh(refreshToken: string): Promise<void> {
    refreshing ??= (async () => {
      const request = new Request(`${options.baseUrl}/api/auth/refresh`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ refreshToken }),
      });
      const response = await fetched(request);
      // Only a refusal ends the session; a shop that is busy is asked again by the next call.
      if (response.status === 401) keep(undefined);
      if (!response.ok) throw await Problem.of(response);
      const pair = (await response.json()) as Session;
      keep({ token: pair.token, refreshToken: pair.refreshToken });
    })().finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  }

  function signed(request: Request): Request {
    if (tokens && !request.headers.has("authorization")) {
      request.headers.set("authorization", `Bearer ${tokens.token}`);
    }
    return request;
  }

  async function send(request: Request): Promise<Response> {
    const isAuth = new URL(request.url, "http://shop.invalid").pathname.startsWith("/api/auth/");
    const isWrite = !["GET", "HEAD", "OPTIONS"].includes(request.method);
    // Answers that hold tokens are never kept, so a key would do nothing there.
    if (isWrite && !isAuth && !request.headers.has("idempotency-key")) {
      request.headers.set("idempotency-key", crypto.randomUUID());
    }
    const own = request.headers.has("authorization");
    const again = request.clone();
    const used = tokens;
    let response = await fetched(signed(request));
    if (response.status === 401 && !own && used?.refreshToken && !isSignIn(request)) {
      // Another call may have got the new pair meanwhile.
      if (tokens === used) await refresh(used.refreshToken);
      response = await fetched(signed(again));
    }
    if (response.status >= 400) throw await Problem.of(response);
    return response;
  }

  const client = createClient<paths>({ baseUrl: options.baseUrl, fetch: send });

  function entered(session: Session): Session {
    keep({ token: session.token, refreshToken: session.refreshToken });
    return session;
  }

  async function* pages<P extends ListPath>(path: P, params?: ListParams<P>): AsyncGenerator<ItemOf<P>[], void, undefined> {
    // The parameters were checked by this function's type; openapi-fetch cannot follow a path that is a parameter itself.
    const first = client.GET as (path: string, init: object) => Promise<Answered<ItemOf<P>[]>>;
    let { data, response } = await first(path, { params: params ?? {} });
    for (;;) {
      yield data ?? [];
      const next = nextPage(response);
      if (!next) return;
      response = await send(new Request(new URL(next, response.url)));
      data = (await response.json()) as ItemOf<P>[];
    }
  }

  async function* each<P extends ListPath>(path: P, params?: ListParams<P>): AsyncGenerator<ItemOf<P>, void, undefined> {
    for await (const page of pages(path, params)) yield* page;
  }

  return {
    ...client,
    get tokens() {
      return tokens;
    },
    async signIn(login) {
      return entered(await answer(client.POST("/api/auth/login", { body: login })));
    },
    async register(account) {
      return entered(await answer(client.POST("/api/auth/register", { body: account })));
    },
    async enterAsGuest() {
      const guest = await answer(client.POST("/api/auth/guest", { body: {} }));
      keep({ token: guest.token, refreshToken: guest.refreshToken });
    },
    async signOut() {
      const refreshToken = tokens?.refreshToken;
      if (!tokens) return;
      await client.POST("/api/auth/logout", { body: refreshToken ? { refreshToken } : {} });
      keep(undefined);
    },
    pages,
    each,
  };
}

/** Calls that are refused with 401 for another reason than an expired token. */
function isSignIn(request: Request): boolean {
  return /\/api\/auth\/(login|register|guest|refresh)$/.test(new URL(request.url, "http://shop.invalid").pathname);
}

/** Where the next page is, by the header `Link`. */
function nextPage(response: Response): string | undefined {
  return /<([^>]*)>;\s*rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
}
