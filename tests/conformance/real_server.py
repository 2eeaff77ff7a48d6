# SPDX-License-Identifier: Apache-2.0
"""The real `mlflow` server on a fresh folder, for checking the cases themselves: a case that it fails is wrong or needs a reason.

usage: MILLRACE_CONFORMANCE_COMMAND="third_party/pytest/bin/python tests/conformance/real_server.py {data}" make conformance

Prints `listening on http://127.0.0.1:PORT` when it answers, as `millrace serve` does.
"""

import asyncio
import os
import pathlib
import socket
import sys


def main():
    data = pathlib.Path(sys.argv[1]).resolve()
    os.environ.update({
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{data}/mlflow.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": os.environ.get("MILLRACE_DEFAULT_ARTIFACT_ROOT", "mlflow-artifacts:/"),
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(data / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
    })
    import uvicorn
    from mlflow.server.fastapi_app import app

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))

    async def serve():
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.05)
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await task

    asyncio.run(serve())


if __name__ == "__main__":
    main()
