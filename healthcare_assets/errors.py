"""Errors that a user meets: one sentence each that names the cause, the place and the next step."""


class HealthcareError(Exception):
    """Base of every error whose message is written for the person who runs the system."""


class SourceError(HealthcareError):
    """The patient records cannot be read: missing file, missing column, unreadable format."""


class SettingsError(HealthcareError):
    """An environment variable has a value that cannot be used."""


class LakehouseError(HealthcareError):
    """A table cannot be read or written, or a frame does not fit its declared columns."""


class RegistryError(HealthcareError):
    """The model registry does not answer, or holds no model where one is needed."""


class TrainingError(HealthcareError):
    """The training population does not allow an honest model."""


class QualityMonitorError(HealthcareError):
    """The workspace does not let its quality monitor be made, changed or refreshed."""


class LaunchError(HealthcareError):
    """A step cannot be started in a Databricks workspace, or was lost there."""


class RequestError(HealthcareError):
    """A request for predictions cannot be answered, and whoever sent it can put it right."""


class ServingError(HealthcareError):
    """The champion cannot be put behind its endpoint, or be served from this machine."""
