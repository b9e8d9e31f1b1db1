"""Signs generated requests in, and keeps signing in: access tokens live for a quarter of an hour,
and requests that happen to be right sign out or end the session."""

import os

import requests
import schemathesis

BASE = os.environ["DAYBOOK_BASE"]
CREDENTIALS = {
    "email": os.environ["DAYBOOK_EMAIL"],
    "password": os.environ["DAYBOOK_PASSWORD"],
}
REFRESH_S = 60


@schemathesis.auth(refresh_interval=REFRESH_S)
class Bearer:
    """A session of the client that the test has registered."""

    def get(self, case, context):
        answer = requests.post(f"{BASE}/auth/login", json=CREDENTIALS, timeout=30)
        answer.raise_for_status()
        return answer.json()["accessToken"]

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"
