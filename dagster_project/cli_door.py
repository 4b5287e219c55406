"""The commands of the HTTP door: serve the release in force, and issue tokens to recipients.

Heavy libraries are imported inside the commands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import date

from dagster_project import declarations
from dagster_project.cli_outcome import DONE, WRONG_INPUT
from dagster_project.settings import exclusive, project, region_data

MOST_AT_ONCE = 64  # requests; what comes on top is told to come again


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    """`add(name, function, text, region, reads)` makes a command of the whole command line."""
    serve = add("serve", _serve, "The release in force over HTTP, for programs; read-only.", reads=False)
    serve.add_argument("--host", default="127.0.0.1", help="where to listen; else on this computer only")
    serve.add_argument("--port", type=int, default=8080)
    serve.add_argument("--address", default="", metavar="URL", help="where callers find it, behind a proxy")
    serve.add_argument("--per-minute", type=int, default=300, metavar="N", help="requests of each caller")
    tokens = add("tokens", _tokens, "A new token with which a recipient comes to the door.", reads=False)
    tokens.add_argument("recipient")
    tokens.add_argument("--revoke", action="store_true", help="make all tokens of the recipient void instead")


def _serve(options: argparse.Namespace) -> int:
    import uvicorn

    from dagster_project import door

    declared, data = declarations.load(project(), options.region), region_data(options.region)
    if declared.sharing is None or not data.current.is_symlink():
        missing = "eine Veröffentlichung" if declared.sharing else f"sources/{options.region}/recipients.yml"
        print(f"Dafür fehlt {missing}.", file=sys.stderr)
        return WRONG_INPUT
    application = door.application(
        data.current, declared.sharing, data.tokens, per_minute=options.per_minute, address=options.address.rstrip("/")
    )
    print(f"http://{options.host}:{options.port}/ (Ende mit Strg+C)", flush=True)
    # no access log: it would keep who asked for what
    uvicorn.run(
        application,
        host=options.host,
        port=options.port,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_AT_ONCE,
        log_level="warning",
    )
    return DONE


def _tokens(options: argparse.Namespace) -> int:
    from dagster_project import door

    declared, data = declarations.load(project(), options.region), region_data(options.region)
    known = [item.id for item in declared.sharing.recipients] if declared.sharing else []
    if options.recipient not in known:
        print(f"{options.recipient!r} ist kein Empfänger; deklariert: {', '.join(known) or 'keiner'}", file=sys.stderr)
        return WRONG_INPUT
    try:
        with exclusive(data):
            if options.revoke:
                print(f"{door.revoke(data.tokens, options.recipient)} Token ungültig gemacht.")
            else:
                print(door.issue(data.tokens, options.recipient, date.today()))
                print("Dieses Token wird nur jetzt gezeigt; es gehört dem Empfänger allein.", file=sys.stderr)
    except door.TokenMistake as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    return DONE
