"""Fixtures of the tests on a workspace."""

import io
import textwrap
from uuid import uuid4

import pytest
from databricks.sdk import WorkspaceClient

from healthcare_assets_tests.workspace.emulator import Workspace
from healthcare_assets_tests.workspace.running import Script


@pytest.fixture
def client(workspace: Workspace) -> WorkspaceClient:
    return workspace.client()


@pytest.fixture
def script(workspace: Workspace, client: WorkspaceClient) -> Script:
    """Uploads a script into a volume; gives its path."""

    def upload(text: str) -> str:
        path = str(workspace.volume_root / "main" / "insurance" / "steps" / f"{uuid4().hex}.py")
        client.files.upload(path, io.BytesIO(textwrap.dedent(text).encode()))
        return path

    return upload
