"""How tables are made on Spark."""

from healthcare_assets.domain.tables import DIM_PATIENTS, RISK_FEATURES, TABLES
from healthcare_assets.resources.spark_ddl import create_statement


def test_risk_features_is_a_feature_table_of_unity_catalog() -> None:
    statement = create_statement(RISK_FEATURES, "healthcare_dev.insurance.risk_features", in_unity_catalog=True)
    assert statement.startswith(
        "CREATE TABLE IF NOT EXISTS healthcare_dev.insurance.risk_features (patient_key string NOT NULL, age bigint,"
    )
    assert "partition_date date NOT NULL" in statement
    assert "CONSTRAINT risk_features_key PRIMARY KEY (patient_key, partition_date TIMESERIES))" in statement
    assert " USING delta PARTITIONED BY (partition_date) TBLPROPERTIES (" in statement


def test_elsewhere_and_for_other_tables_no_key_is_declared() -> None:
    assert "PRIMARY KEY" not in create_statement(RISK_FEATURES, "delta.`/lakehouse/t`", in_unity_catalog=False)
    assert [name for name, table in TABLES.items() if table.time_series] == ["risk_features"]
    undated = create_statement(DIM_PATIENTS, "c.s.dim_patients", in_unity_catalog=True)
    assert " USING delta TBLPROPERTIES (" in undated
