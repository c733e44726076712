"""The champion as a serving endpoint runs it: MLflow executes this file, in its copy within the servable's folder.

MLflow calls it "models from code": what is stored is this text and the champion's own verified files, and no pickle.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from healthcare_assets.domain.serving import answers
from healthcare_assets.errors import RequestError
from healthcare_assets.resources import model_artifact
from healthcare_assets.resources.fault import summary


class RefusedRequestError(MlflowException):
    """A request that cannot be answered, and the sentence for whoever sent it: status 400 where they can put it right.

    MLflow's scoring server puts the request's data in front of the message of what a model raises, and sends both back:
    with a patient's record in it the answer would end up in logs. So the message stays as it was.
    """

    def __init__(self, sentence: str, error_code: int = INVALID_PARAMETER_VALUE) -> None:
        super().__init__(sentence, error_code=error_code)

    @property
    def message(self) -> str:
        return str(self.args[0])

    @message.setter
    def message(self, _: str) -> None:
        pass


class ServedChampion(PythonModel):
    """From raw patient records to answers, see `healthcare_assets.domain.serving`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the champion's files; RegistryError when one of them is not the one that was registered."""
        config = context.model_config
        self._model = model_artifact.loaded_model(
            Path(next(iter(context.artifacts.values()))).parent,
            config["digests"],
            name=config["model_name"],
            version=config["model_version"],
        )

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - part of MLflow's call
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> list[dict[str, Any]]:
        """An answer a row, in the rows' order. RefusedRequestError when one of them cannot be scored."""
        # Every element as Python's own: frames hold numbers of many types, and nulls of three kinds.
        records: list[dict[Any, Any]] = model_input.to_dict("records")
        try:
            return answers(records, self._model, at=datetime.now(UTC))
        except RequestError as error:
            # Without its cause: a traceback, where one is logged, shows no more than the sentence.
            raise RefusedRequestError(str(error)) from None
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may read a record in it
            # What it says would be sent back and logged.
            raise RefusedRequestError(f"The request met an unexpected {summary(error)}.", INTERNAL_ERROR) from None


set_model(ServedChampion())
