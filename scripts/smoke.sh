#!/usr/bin/env bash
# Walks through a running shop from outside: browse, buy, refund, cancel, and everything that must be refused.
#
#   scripts/smoke.sh [BASE_URL]          default http://127.0.0.1:3000
#
# ADMIN_EMAIL and ADMIN_PASSWORD, when set, sign in an administrator: then stock, products and refunds are tried, too.
# Without them these checks say `skipped`. The shop may be a fresh one or one in use: nothing is supposed of its books but
# one product for sale without options. Orders that it places are cancelled, products that it makes are archived.
#
# Each check prints a line, `ok …` or `FAILED …` with what came instead; the last line counts them. It ends with 0 when
# nothing failed, 1 when something did, 2 when it could not begin. Needs bash, curl and jq.
set -uo pipefail

base=${1:-http://127.0.0.1:3000}
base=${base%/}
run="$(date +%s)-$$-$RANDOM" # Names and keys of this run, so that it can be repeated.
passed=0 failed=0 skipped=0

for program in curl jq; do
  command -v "$program" >/dev/null || {
    echo "smoke.sh needs $program, which is not installed" >&2
    exit 2
  }
done
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT

# --- How checks are made -------------------------------------------------------------------------------------------

# call METHOD PATH [BODY] [HEADER…]: sets status and body; the token of $as goes along.
as=''
status='' body=''
call() {
  local method=$1 path=$2 data=${3-}
  shift $(($# < 3 ? $# : 3))
  local args=(-sS -m 60 -X "$method" -D "$folder/head" -o "$folder/body" -w '%{http_code}')
  [[ -n $as ]] && args+=(-H "authorization: Bearer $as")
  [[ -n $data ]] && args+=(-H 'content-type: application/json' --data-binary "$data")
  local line
  for line in "$@"; do args+=(-H "$line"); done
  : >"$folder/body"
  status=$(curl "${args[@]}" "$base$path" 2>"$folder/fault") || status="no answer: $(<"$folder/fault")"
  body=$(<"$folder/body")
}

# field FILTER: a value of the last answer, as text.
field() { jq -r "$1" <<<"$body" 2>/dev/null; }

# header NAME: a header of the last answer.
header() { tr -d '\r' <"$folder/head" | sed -n "s/^$1: //Ip" | tail -1; }

good() {
  passed=$((passed + 1))
  echo "ok $1"
}

bad() {
  failed=$((failed + 1))
  echo "FAILED $1: $2"
}

skip() {
  skipped=$((skipped + 1))
  echo "skipped $1"
}

# is NAME STATUS [FILTER]: the last answer has this status, and the filter is true of its body.
is() {
  local name=$1 wanted=$2 filter=${3-}
  if [[ $status != "$wanted" ]]; then
    bad "$name" "expected $wanted, got $status ${body:0:300}"
  elif [[ -n $filter ]] && ! jq -e "$filter" >/dev/null 2>&1 <<<"$body"; then
    bad "$name" "$filter is not true of ${body:0:300}"
  else
    good "$name"
  fi
}

# refused NAME STATUS CODE: the last answer is a problem document with this code.
refused() { is "$1" "$2" ".code == \"$3\" and .status == $2 and (.detail | length > 0) and (.requestId | length > 0)"; }

# same NAME A B: two texts are the same.
same() {
  if [[ $2 == "$3" ]]; then good "$1"; else bad "$1" "$2 is not $3"; fi
}

# eventually NAME PATH FILTER: the filter comes true of what the path answers, within ten seconds.
eventually() {
  local name=$1 path=$2 filter=$3 try
  for try in {1..50}; do
    call GET "$path"
    if [[ $status == 200 ]] && jq -e "$filter" >/dev/null 2>&1 <<<"$body"; then
      good "$name"
      return
    fi
    sleep 0.2
  done
  bad "$name" "after $try tries still $status ${body:0:300}"
}

# someone NAME: registers; sets token, refresh and user.
token='' refresh='' user=''
someone() {
  as=''
  call POST /api/auth/register "{\"username\":\"$1-$run\",\"password\":\"a password of $1\",\"name\":\"$1\"}"
  token=$(field .token) refresh=$(field .refreshToken) user=$(field .user.id)
}

address='{"name":"Ada Forge","street":"1 Forge Lane","city":"Sheffield","postalCode":"S1 2HE","country":"United Kingdom"}'

# --- The shop is open ----------------------------------------------------------------------------------------------

call GET /health
if [[ $status != 200 ]]; then
  echo "no shop answers at $base ($status)" >&2
  exit 2
fi
good "GET /health"
call GET /ready
is "GET /ready" 200
call GET /openapi.json
is "the API's document" 200 '.openapi | startswith("3.1")'
call GET /docs
is "the reference page" 200

# --- Browsing ------------------------------------------------------------------------------------------------------

call GET '/api/products?limit=2'
is "products come in pages" 200 'type == "array" and length == 2'
next=$(header link | sed -n 's/.*<\([^>]*\)>; *rel="next".*/\1/p')
first=$(field '.[0].id')
call GET "${next#"$base"}"
is "the next page goes on" 200 "length > 0 and .[0].id != \"$first\""
call GET '/api/products?inStock=true&sort=price&limit=100'
is "products by price" 200 '[.[].price] | . == sort'
# One without options of which there is plenty, so that its SKU is the product's.
product=$(field '[.[] | select((.variants | length) == 1 and .variants[0].available >= 8 and .sku != null)][0]')
if [[ $product == null || -z $product ]]; then
  echo "the shop has no product without options of which there are eight pieces" >&2
  exit 2
fi
id=$(jq -r .id <<<"$product") sku=$(jq -r .sku <<<"$product") price=$(jq .price <<<"$product")
handle=$(jq -r .handle <<<"$product") number=$(jq .number <<<"$product") name=$(jq -r .name <<<"$product")
call GET "/api/products/$id"
is "a product by id" 200 ".number == $number"
tag=$(header etag)
call GET "/api/products/$handle"
is "a product by handle" 200 ".id == \"$id\""
call GET "/api/product/products/$number"
is "a product by number, at its other address" 200 ".id == \"$id\""
call GET "/api/products/$id" '' "if-none-match: $tag"
is "an unchanged product is not sent again" 304
call GET "/api/products/search?q=$(jq -rn --arg q "${name%%,*}" '$q | @uri')&limit=100"
is "search finds it" 200 "any(.[]; .id == \"$id\")"
call GET /api/products/search
refused "search needs words" 400 invalid
call GET '/api/products/facets?search='
is "facets" 200 'type == "object"'
call GET /api/categories
is "categories" 200 'type == "array"'
call GET /api/products/prd_00000000000000000000000000
refused "an unknown product" 404 not_found

# --- Accounts ------------------------------------------------------------------------------------------------------

someone ada
is "Ada registers" 201 '.token != null and .refreshToken != null and .user.role == "customer"'
ada=$token ada_id=$user ada_refresh=$refresh
call POST /api/auth/register "{\"username\":\"ada-$run\",\"password\":\"another password\"}"
refused "a name is taken once" 409 username_taken
call POST /api/auth/register "{\"username\":\"eve-$run\",\"password\":\"password1\",\"role\":\"admin\"}"
refused "nobody chooses a role" 400 invalid
call POST /api/auth/register "{\"username\":\"eve-$run\",\"password\":\"short\"}"
refused "a short password" 400 invalid
call POST /api/auth/login "{\"username\":\"ada-$run\",\"password\":\"not hers\"}"
refused "a wrong password" 401 wrong_credentials
call POST /api/auth/login "{\"username\":\"ada-$run\",\"password\":\"a password of ada\"}"
is "Ada signs in" 200 '.tokenType == "Bearer" and .expiresIn > 0'
as=$ada
call GET /api/auth/verify
is "her token counts" 200 ".valid and .userId == \"$ada_id\""
call GET /api/users/me
is "her profile" 200 ".user.id == \"$ada_id\""
as='' && call GET /api/auth/profile
refused "no token, no profile" 401 unauthorized
as=nonsense && call GET /api/auth/profile
refused "a broken token" 401 unauthorized
as='' && call POST /api/auth/refresh "{\"refreshToken\":\"$ada_refresh\"}"
is "a refresh token is traded" 200 '.token != null'
call POST /api/auth/refresh '{"refreshToken":"rt_nonsense"}'
is "an unknown refresh token" 401
someone bob
bob=$token

# --- Cart ----------------------------------------------------------------------------------------------------------

as='' && call GET /api/cart
refused "a cart needs a token" 401 unauthorized
as=$ada
call GET /api/cart
is "her cart is empty" 200 '.cart == [] and .itemCount == 0'
call POST /api/cart "{\"productId\":\"$id\",\"quantity\":1}"
is "she adds a piece" 201 '.itemCount == 1'
call POST /api/cart "{\"sku\":\"$sku\",\"qty\":1,\"price\":0.01}"
refused "nobody sends prices" 400 invalid
call POST /api/cart "{\"sku\":\"$sku\",\"qty\":1}"
is "and another by SKU, on the same line" 201 ".itemCount == 2 and (.cart | length) == 1 and (.total * 100 | round) == ($price * 200 | round)"
call POST /api/cart '{"productId":"prd_00000000000000000000000000"}'
refused "an unknown product is not added" 404 not_found
call POST /api/cart "{\"productId\":\"$id\",\"quantity\":0}"
refused "no pieces are not added" 400 invalid
call PUT "/api/cart/items/$id" '{"quantity":3}'
is "she wants three" 200 '.itemCount == 3'
as=$bob && call GET "/api/cart/$ada_id"
refused "her cart is nobody else's" 404 not_found
call POST /api/cart "{\"productId\":\"$id\",\"userId\":\"$ada_id\"}"
refused "and nobody else fills it" 403 forbidden

# --- Buying --------------------------------------------------------------------------------------------------------

as='' && call POST /api/orders '{}'
refused "ordering needs a token" 401 unauthorized
as=$bob && call POST /api/orders '{}'
refused "an empty cart orders nothing" 400 empty_order
as=$ada
call POST /api/orders "{\"shippingAddress\":{\"street\":\"1 Forge Lane\",\"country\":\"Atlantis\"}}"
refused "an address that is none" 400 invalid
call POST /api/orders "{\"shippingAddress\":$address,\"paymentMethod\":\"credit_card\",\"paymentToken\":\"tok_visa\"}" "idempotency-key: buy-$run"
is "she orders her cart" 201 '.status == "confirmed" and .order.paymentStatus == "completed" and .order.shippingAddress.country == "GB"'
order=$(field .orderId)
same "with the address of the order" "$(header location)" "/api/orders/$order"
same "at the price there is" "$(field '.total * 100 | round')" "$(jq -n "$price * 300 | round")"
call POST /api/orders "{\"shippingAddress\":$address,\"paymentMethod\":\"credit_card\",\"paymentToken\":\"tok_visa\"}" "idempotency-key: buy-$run"
is "the same call again is the same order" 201 ".orderId == \"$order\""
call POST /api/orders "{\"items\":[{\"productId\":\"$id\",\"quantity\":2}]}" "idempotency-key: buy-$run"
refused "the same key for something else" 422 idempotency_key_reused
call GET /api/cart
is "the cart is empty then" 200 '.itemCount == 0'
call GET /api/orders
is "she has one order" 200 "length == 1 and .[0].id == \"$order\""
call GET "/api/orders/$order"
is "with its history" 200 '[.history[].status] | index("confirmed") != null'
call GET "/api/payments/$order"
is "and its payment" 200 '.status == "completed" and (.attempts | length) >= 1'
payment=$(field .id)
call POST /api/payments/process "{\"orderId\":\"$order\"}"
refused "paying twice" 409 already_paid
as=$bob && call GET "/api/orders/$order"
refused "her order is nobody else's" 404 not_found
call PUT "/api/orders/$order/cancel" '{}'
refused "nobody else cancels it" 404 not_found
call GET "/api/payments/$order"
refused "nor sees its payment" 404 not_found
call GET /api/orders
is "Bob has no orders" 200 '. == []'
as=$ada
call PUT "/api/orders/$order/status" '{"status":"shipped"}'
refused "customers ship nothing" 403 forbidden
call POST "/api/payments/$payment/refund" '{}'
refused "nor refund anything" 403 forbidden
call POST /api/products '{"name":"Her own","price":1}'
refused "nor change the catalogue" 403 forbidden

# --- Declined, then paid -------------------------------------------------------------------------------------------

call POST /api/orders "{\"items\":[{\"sku\":\"$sku\",\"quantity\":1}],\"paymentToken\":\"tok_declined\"}"
is "a declined card leaves the order pending" 201 '.status == "pending" and .order.paymentStatus == "failed" and .paymentError != null'
retried=$(field .orderId)
call POST /api/payments/process "{\"orderId\":\"$retried\",\"paymentToken\":\"tok_insufficient_funds\"}"
refused "a card without funds" 402 payment_declined
call POST /api/payments/process "{\"orderId\":\"$retried\",\"paymentToken\":\"tok_visa\",\"amount\":0.01}"
refused "another amount than is due" 409 amount_differs
call POST /api/payments/process "{\"orderId\":\"$retried\",\"paymentToken\":\"tok_visa\"}"
is "another card pays it" 201 '.status == "completed"'
eventually "and the order is confirmed" "/api/orders/$retried" '.status == "confirmed"'

# --- Cancelling ----------------------------------------------------------------------------------------------------

call PUT "/api/orders/$retried/cancel" '{"reason":"smoke test"}' "idempotency-key: cancel-$run"
is "she cancels it" 200 '.status == "cancelled"'
eventually "and gets her money back" "/api/orders/$retried" '.paymentStatus == "refunded"'
call PUT "/api/orders/$retried/cancel" '{"reason":"smoke test"}' "idempotency-key: cancel-$run"
is "the same cancellation again is the same" 200 '.status == "cancelled"'
call POST /api/payments/process "{\"orderId\":\"$retried\"}"
is "a cancelled order is not paid" 409

# --- Out of stock --------------------------------------------------------------------------------------------------

call GET "/api/products/$id"
there=$(field '.variants[0].available')
call POST /api/orders "{\"items\":[{\"productId\":\"$id\",\"quantity\":9999}]}"
if ((there < 9999)); then
  refused "more than there is" 409 out_of_stock
  call GET /api/orders
  is "leaves no order" 200 'length == 2'
fi
call POST /api/orders '{"items":[]}'
is "no items are no order" 400

# --- Guests --------------------------------------------------------------------------------------------------------

as='' && call POST /api/auth/guest '{}'
is "a guest comes in" 200 '.user.role == "guest"'
as=$(field .token) guest=$as
call POST /api/cart "{\"productId\":\"$id\",\"quantity\":2}"
is "and fills a cart" 201 '.itemCount == 2'
as=''
call POST /api/auth/register "{\"username\":\"cleo-$run\",\"password\":\"a password of cleo\",\"guestToken\":\"$guest\"}"
is "an account takes it over" 201 '.token != null'
cleo=$(field .token) as=$cleo
eventually "with the same pieces" /api/cart '.itemCount == 2'
call DELETE /api/cart
is "which are put back" 200 '.itemCount == 0'

# --- The house -----------------------------------------------------------------------------------------------------

staff() {
  as=''
  call POST /api/auth/login "$(jq -n --arg email "$ADMIN_EMAIL" --arg password "$ADMIN_PASSWORD" '$ARGS.named')"
  is "the administrator signs in" 200 '.user.role == "admin"'
  as=$(field .token) && local admin=$as
  [[ -z $as || $as == null ]] && return

  call POST /api/products "{\"name\":\"Smoke anvil $run\",\"price\":19.99,\"stock\":3}"
  is "a new product" 201 '.stock == 3'
  local own anvil_tag
  own=$(field .id)
  call GET "/api/products/$own"
  anvil_tag=$(header etag)
  call PATCH "/api/products/$own" '{"price":18.49}' "if-match: $anvil_tag"
  is "changes its price" 200 '.price == 18.49'
  call PATCH "/api/products/$own" '{"price":17}' "if-match: $anvil_tag"
  refused "but not of what changed meanwhile" 412 precondition_failed
  call PUT "/api/products/$own/stock" '{"set":5}'
  refused "a counted stock needs what was read" 428 precondition_required
  call PUT "/api/products/$own/stock" '{"quantity":-1,"reason":"broken"}'
  is "a broken piece is taken out" 200 '.stock == 2 and .available == 2'

  as=$ada
  call POST /api/orders "{\"items\":[{\"productId\":\"$own\",\"quantity\":3}]}"
  refused "the last two are not three" 409 out_of_stock
  call POST /api/orders "{\"items\":[{\"productId\":\"$own\",\"quantity\":2}]}"
  is "Ada buys both" 201 '.status == "confirmed" and (.total * 100 | round) == 3698'
  local sold
  sold=$(field .orderId)
  as=$bob
  call POST /api/cart "{\"productId\":\"$own\"}"
  refused "Bob comes too late" 409 out_of_stock

  as=$admin
  call POST "/api/payments/$sold/refund" '{"amount":10,"reason":"scratched"}' "idempotency-key: refund-$run"
  is "a part is refunded" 200
  call POST "/api/payments/$sold/refund" '{"amount":10,"reason":"scratched"}' "idempotency-key: refund-$run"
  is "once, however often it is asked" 200
  eventually "as the payment says" "/api/payments/$sold" '(.refunded * 100 | round) == 1000'
  eventually "and the order" "/api/orders/$sold" '.paymentStatus == "partially_refunded"'
  call POST "/api/payments/$sold/refund" '{"amount":100}'
  refused "not more than was paid" 409 refund_exceeds_captured
  call PUT "/api/orders/$sold/status" '{"status":"nowhere"}'
  refused "an unknown state" 400 invalid
  call PUT "/api/orders/$sold/cancel" '{"reason":"smoke test"}'
  is "the rest goes back by cancelling" 200 '.status == "cancelled"'
  eventually "so that all is refunded" "/api/payments/$sold" '(.refunded * 100 | round) == 3698'
  eventually "and the pieces are there again" "/api/products/$own/stock" '.stock == 2 and .available == 2'
  call PUT "/api/orders/$sold/status" '{"status":"shipped"}'
  refused "nothing leaves a cancelled order" 409 illegal_transition
  eventually "the log tells of it" "/api/events?subject=$sold&limit=100" \
    '[.[].type] | index("OrderCreated") != null and index("OrderConfirmed") != null and index("OrderCancelled") != null'
  eventually "the stock's ledger, too" "/api/products/$own/stock/ledger" 'length >= 4'
  call DELETE "/api/products/$own"
  is "the product is archived" 204
  call GET "/api/products/$own"
  refused "and gone" 404 not_found
  call GET "/api/orders/$sold"
  is "but its orders still show it" 200 "any(.items[]; .productId == \"$own\")"
}

if [[ -n ${ADMIN_EMAIL-} && -n ${ADMIN_PASSWORD-} ]]; then
  staff
else
  skip "what only staff may do: set ADMIN_EMAIL and ADMIN_PASSWORD"
fi

# --- Tidying up ----------------------------------------------------------------------------------------------------

as=$ada
call PUT "/api/orders/$order/cancel" '{"reason":"smoke test"}'
is "Ada cancels her first order" 200 '.status == "cancelled"'
eventually "and has her money back" "/api/orders/$order" '.paymentStatus == "refunded"'
call POST /api/auth/logout '{}'
is "she signs out" 204
call GET /api/auth/profile
is "and her token is worth nothing" 401
# A browser's question before it calls.
as=''
call OPTIONS /api/products '' 'origin: http://localhost:5173' 'access-control-request-method: GET'
if [[ $status == 200 || $status == 204 ]]; then good "preflights are answered"; else bad "preflights are answered" "$status"; fi

echo "$passed ok, $failed failed, $skipped skipped"
((failed == 0))
