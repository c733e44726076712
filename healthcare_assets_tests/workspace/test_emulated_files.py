"""The emulated workspace keeps files, in volumes and in the workspace, as Databricks does."""

import base64
import io

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import AlreadyExists, BadRequest, NotFound
from databricks.sdk.service.workspace import ExportFormat, ImportFormat, Language

from healthcare_assets_tests.workspace.emulator import Workspace


def test_a_file_of_a_volume_is_written_read_and_deleted(client: WorkspaceClient, workspace: Workspace) -> None:
    folder = f"{workspace.volume_root}/main/default/test files"
    path = f"{folder}/a day.bin"
    client.files.create_directory(folder)
    client.files.upload(path, io.BytesIO(b"one"))
    with pytest.raises(AlreadyExists):
        client.files.upload(path, io.BytesIO(b"two"))
    client.files.upload(path, io.BytesIO(b"three"), overwrite=True)
    about = client.files.get_metadata(path)
    assert about.content_length == 5
    assert about.last_modified
    answer = client.files.download(path)
    assert answer.contents is not None
    assert (answer.contents.read(), answer.content_length) == (b"three", 5)
    (listed,) = client.files.list_directory_contents(folder)
    assert (listed.path, listed.name, listed.is_directory, listed.file_size) == (path, "a day.bin", False, 5)
    with pytest.raises(BadRequest):
        client.files.delete_directory(folder)
    client.files.delete(path)
    client.files.delete_directory(folder)


def test_a_file_that_is_not_there_is_not_found(client: WorkspaceClient, workspace: Workspace) -> None:
    path = f"{workspace.volume_root}/main/default/nothing"
    for asked in (
        client.files.get_metadata,
        client.files.download,
        client.files.delete,
        client.files.get_directory_metadata,
        client.files.delete_directory,
        lambda path: list(client.files.list_directory_contents(path)),
    ):
        with pytest.raises(NotFound):
            asked(path)


def test_a_large_file_comes_back_as_it_was(client: WorkspaceClient, workspace: Workspace) -> None:
    content = bytes(range(256)) * 4096 * 12
    path = f"{workspace.volume_root}/main/default/large"
    client.files.upload(path, io.BytesIO(content), overwrite=True)
    answer = client.files.download(path).contents
    assert answer is not None
    assert answer.read() == content


def test_a_file_of_the_workspace_is_imported_found_exported_and_deleted(client: WorkspaceClient) -> None:
    client.workspace.mkdirs("/Workspace/Shared/steps")
    for format_, language in (
        (ImportFormat.AUTO, None),
        (ImportFormat.RAW, None),
        (ImportFormat.SOURCE, Language.PYTHON),
    ):
        client.workspace.import_(
            "/Workspace/Shared/steps/run.py",
            content=base64.b64encode(b"print(1)").decode(),
            format=format_,
            language=language,
            overwrite=True,
        )
    assert client.workspace.get_status("/Workspace/Shared/steps/run.py").path == "/Workspace/Shared/steps/run.py"
    assert [each.path for each in client.workspace.list("/Workspace/Shared/steps")] == [
        "/Workspace/Shared/steps/run.py"
    ]
    exported = client.workspace.export("/Workspace/Shared/steps/run.py", format=ExportFormat.SOURCE).content
    assert base64.b64decode(exported or "") == b"print(1)"
    client.workspace.upload("/Workspace/Shared/steps/more.whl", io.BytesIO(b"\0wheel"), format=ImportFormat.RAW)
    with client.workspace.download("/Workspace/Shared/steps/more.whl") as stream:
        assert stream.read() == b"\0wheel"
    client.workspace.delete("/Workspace/Shared/steps", recursive=True)
    with pytest.raises(NotFound):
        client.workspace.get_status("/Workspace/Shared/steps/run.py")
