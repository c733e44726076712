"""Tells whoever is on call which checks and jobs have begun to fail, and which are well again."""

from datetime import UTC, datetime

import dagster as dg


@dg.sensor(
    name="alerts",
    description="Sends an alert when a check or a job begins to fail, and a word when it is well again, to the Apprise "
    "URLs in HEALTHCARE_ALERT_URLS; to this sensor's log where there are none.",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    from dataclasses import replace

    from healthcare_assets.defs.sensors.evaluations import evaluations, watched_in
    from healthcare_assets.domain.monitoring.alert_state import state_from, text_from
    from healthcare_assets.domain.monitoring.alerting import addressed, at_moment, failing, observed, unheard
    from healthcare_assets.environments import alert_urls_from, environment_name_from
    from healthcare_assets.resources.alerts import channels_for
    from healthcare_assets.steps.alerts import tell

    if context.repository_def is None:
        return dg.SensorResult(skip_reason="No checks to watch: the sensor was asked outside of a code location.")
    moment = datetime.now(UTC)
    channels = channels_for(alert_urls_from(), write=context.log.warning)
    state = addressed(at_moment(state_from(context.cursor), moment), [channel.digest for channel in channels])
    watched = watched_in(context.repository_def)
    state = replace(
        observed(state, evaluations(context.instance, watched, state), watched=watched.names), looked_at=moment
    )
    told = tell(
        state,
        channels,
        environment=environment_name_from(),
        moment=moment,
    )
    for sentence in told.given_up:
        context.log.error(sentence)
    for sentence in told.troubles:
        context.log.warning(sentence)
    return dg.SensorResult(
        skip_reason=f"{len(failing(told.state))} of {len(watched.names)} checks and jobs fail. "
        f"Messages delivered: {told.delivered}; notices waiting: {unheard(told.state)}."
        + "".join(f" {sentence}" for sentence in told.troubles),
        cursor=text_from(told.state),
    )
