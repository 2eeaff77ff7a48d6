# SPDX-License-Identifier: Apache-2.0
"""The real `mlflow` server with its basic-auth app on a fresh folder, for checking the cases of test_access_roles.py themselves.

Wants flask-wtf beside mlflow. Its administrator is root with the password "root's password". Prints `listening on http://127.0.0.1:PORT`
when it answers.
"""

import asyncio
import os
import pathlib
import socket
import sys


def main():
    data = pathlib.Path(sys.argv[1]).resolve()
    settings = data / "auth.ini"
    settings.write_text(f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{data}/auth.db\n"
                        "admin_username = root\nadmin_password = root's password\n")
    os.environ.update({
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{data}/mlflow.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(data / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for checking cases",
    })
    import uvicorn
    from mlflow.server.auth import create_app

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(), log_level="error"))

    async def serve():
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.05)
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await task

    asyncio.run(serve())


if __name__ == "__main__":
    main()
