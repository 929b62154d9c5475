"""What schemathesis needs to know of the shop: who calls, which records there are, and which calls end a session.

SHOP is the gateway's address, ROLE `customer` or `admin`; the administrator of test shops makes the records. Generated
values seldom name a record that exists, so every second path gets real ones. Every operation is judged by the statuses
that it names itself: `default` would admit all others.
"""

import atexit
import json
import os
import urllib.request
import zlib

import schemathesis

SHOP = os.environ["SHOP"]
ROLE = os.environ["ROLE"]
# Calls that may end the session of who calls: each gets a session of its own, of a person of its own.
ENDING = {
    ("POST", "/api/auth/logout"),
    ("POST", "/api/users/{id}/password"),
    ("PUT", "/api/users/{id}/role"),
    ("DELETE", "/api/users/{id}/sessions"),
    ("DELETE", "/api/users/{id}/sessions/{session}"),
}
# Calls after which a token of 15 minutes is taken anew.
FRESH_AFTER = 2000


def call(method, path, body=None, token=None, kind="application/json"):
    data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
    headers = {"content-type": kind} if data else {}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(SHOP + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=40) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def admin():
    login = {"email": "admin@example.com", "password": "correct horse battery"}
    return call("POST", "/api/auth/login", login)


class World:
    """Records of every kind, some of the caller and some of others, and the callers' tokens."""

    def __init__(self):
        self.people = 0
        self.calls = 0
        session = admin()
        self.admin, self.boss = session["token"], session["user"]
        self.name = f"stranger-{os.getpid()}"
        self.customer = self.somebody()
        self.other = self.somebody()
        self.records()

    def somebody(self):
        self.people += 1
        name = f"{self.name}-{self.people}"
        return call("POST", "/api/auth/register", {"username": name, "password": "password1"})

    def login(self):
        if ROLE == "admin":
            return admin()["token"]
        login = {"username": self.customer["user"]["username"], "password": "password1"}
        return call("POST", "/api/auth/login", login)["token"]

    def records(self):
        desk = lambda method, path, body=None, **more: call(method, path, body, self.admin, **more)
        mine = lambda method, path, body=None: call(method, path, body, self.customer["token"])
        category = desk("POST", "/api/categories", {"name": f"Tools {self.name}"})
        child = desk("POST", "/api/categories", {"name": f"Hammers {self.name}", "parent": category["id"]})
        plain = {"name": "Anvil", "price": "10.00", "stock": 5000, "category": category["name"], "tags": ["iron"]}
        product = desk("POST", "/api/products", plain)
        sizes = [{"options": {"Size": size}, "price": 20, "stock": 500} for size in ("S", "M")]
        shirt = desk("POST", "/api/products", {"name": "Apron", "price": 20, "options": [{"name": "Size", "values": ["S", "M"]}], "variants": sizes})
        lines = [{"productId": product["id"], "quantity": 1}]
        order = lambda **more: mine("POST", "/api/orders", {"items": lines, **more})["orderId"]
        orders = [order(), order(paymentToken="tok_declined"), order(paymentMethod="cash_on_delivery")]
        payment = mine("GET", f"/api/payments/{orders[0]}")["id"]
        cart = mine("POST", "/api/cart", {"productId": product["id"], "quantity": 2})
        imported = desk("POST", "/api/products/import", b"Handle,Title,Variant Price\ntongs,Tongs,1\n", kind="text/csv")
        key = desk("POST", "/api/keys", {"name": "till", "permissions": ["orders:read"]})
        people = [one["user"]["id"] for one in (self.customer, self.other)]
        sessions = mine("GET", f"/api/users/{people[0]}/sessions")
        products = [product["id"], str(product["number"]), product["handle"], product["sku"], shirt["id"], shirt["handle"]]
        variants = [one["id"] for one in shirt["variants"]]
        self.ids = {
            "/api/categories": [category["id"], child["id"], child["handle"]],
            "/api/products/import": [imported["id"]],
            "/api/products": products,
            "/api/keys": [key["id"]],
            "/api/orders": orders,
            "/api/payments": [payment, *orders],
            "/api/users": people,
        }
        self.named = {
            "variantId": variants,
            "item": [cart["cart"][0]["id"], *products[:2]],
            "userId": people,
            "session": [sessions[0]["id"]],
            "provider": ["simulated", "stripe"],
        }

    def is_boss(self, text):
        """Whether this names the administrator, whose e-mail address and password must stay what they are."""
        text = str(text).strip()
        return text in ("me", self.boss["id"], self.boss.get("email"), self.boss.get("username")) or (
            text.lstrip("+").isdecimal() and int(text) == self.boss["number"]
        )

    def ending(self, case):
        """The token of a session that may end. A customer's is somebody's who then speaks of themselves."""
        if ROLE == "admin":
            return self.login()
        somebody = self.somebody()
        parameters = case.path_parameters or {}
        if parameters.get("id") in self.ids["/api/users"]:
            parameters["id"] = somebody["user"]["id"]
        if parameters.get("session") in self.named["session"]:
            sessions = call("GET", f"/api/users/{somebody['user']['id']}/sessions", None, somebody["token"])
            parameters["session"] = sessions[0]["id"]
        return somebody["token"]

    @property
    def bodies(self):
        """Records that fields of bodies may name."""
        products = self.ids["/api/products"][:4]
        return {"productId": products, "product_id": products, "orderId": self.ids["/api/orders"][1:2]}

    def known(self, path, name):
        """Records that this parameter of this path may name."""
        if name in self.named:
            return self.named[name]
        begins = [prefix for prefix in self.ids if path.startswith(prefix)]
        return self.ids[max(begins, key=len)] if begins else []


WORLD = None


def world():
    global WORLD
    if WORLD is None:
        WORLD = World()
        WORLD.token = WORLD.login()
    return WORLD


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for path in raw_schema["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                operation.get("responses", {}).pop("default", None)


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if not path_parameters:
        return path_parameters
    operation = context.operation
    dice = zlib.crc32(repr(sorted(path_parameters.items(), key=str)).encode())
    if dice % 2:
        return path_parameters
    found = dict(path_parameters)
    for name in found:
        known = world().known(operation.path, name)
        if known:
            found[name] = known[dice // 2 % len(known)]
    return found


@schemathesis.hook
def map_body(context, body):
    """Half of the bodies name records that there are, and nobody else."""
    dice = zlib.crc32(repr(body).encode())
    if dice % 2 or not isinstance(body, (dict, list)):
        return body
    return with_records(body, dice // 2)


def with_records(value, dice):
    if isinstance(value, list):
        return [with_records(one, dice) for one in value]
    if not isinstance(value, dict):
        return value
    value = {name: with_records(one, dice) for name, one in value.items() if name not in ("userId", "user_id")}
    bodies = world().bodies
    for name in value:
        if name in bodies:
            value[name] = bodies[name][dice % len(bodies[name])]
    return value


@schemathesis.hook
def map_query(context, query):
    """Half of the lists are one's own: strangers' are not found."""
    if query and "userId" in query and zlib.crc32(repr(query).encode()) % 2 == 0:
        return {name: value for name, value in query.items() if name != "userId"}
    return query


@schemathesis.hook
def before_call(context, case, kwargs):
    shop = world()
    shop.calls += 1
    if shop.calls % FRESH_AFTER == 0:
        shop.token = shop.login()
    parameters = case.path_parameters or {}
    if case.operation.path.startswith("/api/users/") and shop.is_boss(parameters.get("id", "")):
        parameters["id"] = shop.ids["/api/users"][0]
    token = shop.token
    if (case.operation.method.upper(), case.operation.path) in ENDING:
        token = shop.ending(case)
    case.headers["Authorization"] = f"Bearer {token}"


SEEN = {}


@schemathesis.hook
def after_call(context, case, response):
    name = f"{case.operation.method.upper()} {case.operation.path}"
    statuses = SEEN.setdefault(name, {})
    statuses[response.status_code] = statuses.get(response.status_code, 0) + 1


@atexit.register
def tell():
    """Which statuses every operation answered, and how often: so that nobody takes 10,000 refusals for a proof."""
    if "TALLY" in os.environ:
        with open(os.environ["TALLY"], "w") as file:
            json.dump(SEEN, file, indent=1, sort_keys=True)
