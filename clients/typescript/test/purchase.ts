/**
 * A whole purchase with the client as its users get it: `node dist/test/purchase.js`, with SHOP for the address of a
 * running shop and ADMIN_EMAIL and ADMIN_PASSWORD for its administrator. Ends with 0 when all is as it should be.
 */
import assert from "node:assert/strict";

import { answer, createShop, Problem, type ProblemCode, type Product, type Tokens } from "@ironmonger/client";

const baseUrl = process.env["SHOP"] ?? "http://127.0.0.1:3000";
const email = process.env["ADMIN_EMAIL"] ?? "";
const password = process.env["ADMIN_PASSWORD"] ?? "";
if (!email || !password) {
  console.error("ADMIN_EMAIL and ADMIN_PASSWORD must name an administrator of the shop at SHOP, for whom the test signs in.");
  process.exit(2);
}
const run = crypto.randomUUID().slice(0, 8);

/** The call is refused with this code. */
async function refused(status: number, code: ProblemCode, call: Promise<unknown>): Promise<Problem> {
  const problem = await call.then(
    () => assert.fail(`expected ${status} ${code}, but it went through`),
    (thrown: unknown) => thrown,
  );
  assert(problem instanceof Problem, `expected ${code}, got ${problem}`);
  assert.deepEqual([problem.status, problem.code], [status, code], problem.message);
  assert(problem.detail.length > 0 && problem.requestId, "a problem says what happened, and its request");
  return problem;
}

// The house puts something on the shelf.
const house = createShop({ baseUrl });
await house.signIn({ email, password });
const stock = 4;
const anvil: Product = await answer(
  house.POST("/api/products", { body: { name: `Anvil ${run}`, price: 19.99, stock } }),
);
assert.equal(anvil.price, 19.99);

// Visitors look around: pages and records of a list.
const visitor = createShop({ baseUrl });
const pages: number[] = [];
for await (const page of visitor.pages("/api/products", { query: { limit: 2 } })) {
  pages.push(page.length);
  if (pages.length === 3) break;
}
assert.deepEqual(pages, [2, 2, 2]);
const ids = new Set<string>();
for await (const product of visitor.each("/api/products", { query: { limit: 10 } })) ids.add(product.id);
assert(ids.has(anvil.id) && ids.size > 10, "each() goes over all pages");
const found = await answer(visitor.GET("/api/products/{id}", { params: { path: { id: anvil.handle } } }));
assert.equal(found.id, anvil.id);
await refused(401, "unauthorized", visitor.GET("/api/cart"));

// A guest fills a cart and opens an account, which takes the cart over.
let kept: Tokens | undefined;
const ada = createShop({ baseUrl, onTokens: (tokens) => (kept = tokens) });
await ada.enterAsGuest();
await ada.POST("/api/cart", { body: { productId: anvil.id, quantity: 2 } });
const guestToken = ada.tokens?.token ?? "";
const session = await ada.register({ username: `ada-${run}`, password: "correct horse battery", guestToken });
assert.equal(kept?.token, session.token);
const cart = await answer(ada.GET("/api/cart"));
assert.deepEqual([cart.itemCount, cart.total], [2, 39.98]);

// An expired token is renewed by itself, once for all calls that meet it.
let renewed = 0;
const stale = createShop({
  baseUrl,
  token: "worn.out.token",
  refreshToken: session.refreshToken,
  onTokens: () => renewed++,
});
const profiles = await Promise.all([answer(stale.GET("/api/auth/profile")), answer(stale.GET("/api/auth/profile"))]);
assert.deepEqual(
  profiles.map((profile) => profile.user.id),
  [session.user.id, session.user.id],
);
assert.equal(renewed, 1);
const ended = createShop({ baseUrl, token: "worn.out.token", refreshToken: "rt_worn_out_too" });
const end = await ended.GET("/api/auth/profile").catch((problem: unknown) => problem);
assert(end instanceof Problem && end.status === 401 && ended.tokens === undefined, "a session that ended is over");

// She buys; a refused card first, then another one.
const address = { name: "Ada Forge", street: "1 Forge Lane", city: "Sheffield", postalCode: "S1 2HE", country: "GB" };
const placed = await answer(ada.POST("/api/orders", { body: { shippingAddress: address, paymentToken: "tok_declined" } }));
assert.deepEqual([placed.status, placed.order.paymentStatus, placed.total], ["pending", "failed", 39.98]);
const orderId = placed.orderId;
await refused(402, "payment_declined", ada.POST("/api/payments/process", { body: { orderId, paymentToken: "tok_declined" } }));
const payment = await answer(ada.POST("/api/payments/process", { body: { orderId, paymentToken: "tok_visa" } }));
assert.equal(payment.status, "completed");
const path = { id: orderId };
await refused(409, "already_paid", ada.POST("/api/payments/process", { body: { orderId } }));

// The same key is the same order, whoever lost the answer.
const twice = { body: { items: [{ productId: anvil.id, quantity: 1 }] }, headers: { "Idempotency-Key": `again-${run}` } };
const [one, two] = [await answer(ada.POST("/api/orders", twice)), await answer(ada.POST("/api/orders", twice))];
assert.equal(one.orderId, two.orderId);

// What is refused says why.
const short = await refused(409, "out_of_stock", ada.POST("/api/orders", { body: { items: [{ productId: anvil.id, quantity: 2 }] } }));
assert(Array.isArray(short.body["lines"]), "which lines are short");
const invalid = await refused(400, "invalid", ada.POST("/api/cart", { body: { productId: anvil.id, quantity: 0 } }));
assert.equal(invalid.errors[0]?.pointer, "/quantity");
await refused(403, "forbidden", ada.POST("/api/products", { body: { name: "Her own", price: 1 } }));
const bob = createShop({ baseUrl });
await bob.register({ username: `bob-${run}`, password: "correct horse battery" });
await refused(404, "not_found", bob.GET("/api/orders/{id}", { params: { path } }));

// Some money goes back, then all of it.
await house.POST("/api/payments/{id}/refund", { params: { path }, body: { amount: 10, reason: "scratched" } });
const part = await answer(ada.GET("/api/payments/{id}", { params: { path } }));
assert.deepEqual([part.status, part.refunded], ["partially_refunded", 10]);
await refused(409, "refund_exceeds_captured", house.POST("/api/payments/{id}/refund", { params: { path }, body: { amount: 100 } }));
for (const id of [orderId, one.orderId]) {
  const cancelled = await answer(ada.PUT("/api/orders/{id}/cancel", { params: { path: { id } }, body: {} }));
  assert.equal(cancelled.status, "cancelled");
}
const shelf = await answer(house.GET("/api/products/{id}/stock", { params: { path: { id: anvil.id } } }));
assert.deepEqual([shelf.stock, shelf.available], [stock, stock]);
const mine: string[] = [];
for await (const order of ada.each("/api/orders")) mine.push(order.id);
assert.deepEqual(mine.sort(), [orderId, one.orderId].sort());

await ada.signOut();
assert.equal(kept, undefined);
await refused(401, "unauthorized", ada.GET("/api/auth/profile"));
console.log("the whole purchase: ok");
