"""`python -m tests.lrclib_server`: prints its address, and serves until it is stopped."""

import argparse
import asyncio
from pathlib import Path

from tests.lrclib_server.catalogue import made_up_for, read
from tests.lrclib_server.faults import FAULTS
from tests.lrclib_server.server import LrclibServer


def main() -> None:
    """Serves what the arguments say."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.lrclib_server", description="A stand-in for LRCLIB, on loopback."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--catalogue", type=Path, help="JSON: a list of tracks")
    what.add_argument("--made-up-for", type=Path, help="folder of MPD slices; texts are made up")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--seconds", type=float, default=0, help="that each answer takes")
    parser.add_argument("--faults", nargs="*", default=[], choices=list(FAULTS), metavar="FAULT",
                        help=f"what goes wrong: {', '.join(FAULTS)}")  # fmt: skip
    parser.add_argument("--share", type=float, default=0.3, help="of requests that meet a fault")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    catalogue = read(args.catalogue) if args.catalogue else made_up_for(args.made_up_for)
    server = LrclibServer(
        catalogue, seconds=args.seconds, faults=args.faults, share=args.share, seed=args.seed
    )
    asyncio.run(_serve(server, args.port))


async def _serve(server: LrclibServer, port: int) -> None:
    async with server.running(port) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
