"""A mail server for tests: aiosmtpd, which is nobody's but its authors', with a few recipients that it refuses.

Prints its port, then each mail that it takes as a line of JSON. Ends when its standard input does.

Recipients: `nobody@…` is always refused with 550, `busy@…` with 451, `later@…` with 451 the first time only.
"""
import argparse
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self):
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "nobody":
            return f"550 5.1.1 <{address}>: there is no such mailbox"
        if name == "busy" or (name == "later" and address not in self.seen):
            self.seen.add(address)
            return f"451 4.3.0 <{address}>: come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "data": envelope.content.decode("utf-8", "replace"),
            "tls": session.ssl is not None,
            "user": session.auth_data.login.decode() if session.authenticated else None,
        }
        print(json.dumps(mail), flush=True)
        return "250 taken"


async def main():
    options = argparse.ArgumentParser()
    options.add_argument("--cert")
    options.add_argument("--key")
    options.add_argument("--tls", choices=["none", "starttls", "wrapped"], default="none")
    options.add_argument("--user")
    options.add_argument("--password")
    options.add_argument("--port", type=int, default=0)
    asked = options.parse_args()
    context = None
    if asked.tls != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(asked.cert, asked.key)

    def authenticate(server, session, envelope, mechanism, data):
        right = data.login.decode() == asked.user and data.password.decode() == asked.password
        return AuthResult(success=right, auth_data=data) if right else AuthResult(success=False, handled=False)

    handler = Handler()

    def protocol():
        return SMTP(
            handler,
            hostname="mail.test",
            enable_SMTPUTF8=True,
            tls_context=context if asked.tls == "starttls" else None,
            require_starttls=asked.tls == "starttls",
            authenticator=authenticate if asked.user else None,
            auth_required=bool(asked.user),
            auth_require_tls=asked.tls == "starttls",
        )

    loop = asyncio.get_running_loop()
    outer = context if asked.tls == "wrapped" else None
    server = await loop.create_server(protocol, "127.0.0.1", asked.port, ssl=outer)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
