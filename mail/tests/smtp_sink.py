"""A real SMTP server for tests: tells its port and each mail it takes, one line of JSON each.

smtp_sink.py PORT LOGIN [ANSWER…]: PORT 0 is any free one; LOGIN is `user:password` or `-`; the first
recipients get the answers one by one, and all further ones are accepted. It ends with its standard
input.
"""

import asyncio
import email
import email.policy
import json
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def tell(**what):
    print(json.dumps(what), flush=True)


class Sink:
    def __init__(self, answers):
        self.answers = answers

    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if not answer.startswith("250"):
            tell(refused=answer)
            return answer
        envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        tell(
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            headers={name.lower(): value for name, value in mail.items()},
            type=mail.get_content_type(),
            text=mail.get_body(("plain",)).get_content(),
            html=mail.get_body(("html",)).get_content(),
        )
        return "250 taken"


async def main():
    port, login, *answers = sys.argv[1:]
    options = {}
    if login != "-":
        expected = login.encode().split(b":")

        def authenticator(server, session, envelope, mechanism, given):
            fits = [given.login, given.password] == expected
            if not fits:
                tell(refused="535")
            return AuthResult(success=fits, handled=False)

        options = {
            "authenticator": authenticator,
            "auth_required": True,
            "auth_require_tls": False,
        }
    loop = asyncio.get_running_loop()
    sink = Sink(answers)
    server = await loop.create_server(
        lambda: SMTP(sink, hostname="sink.test", loop=loop, **options), "127.0.0.1", int(port)
    )
    tell(port=server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
