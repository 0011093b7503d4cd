"""The Airflow connections that the local stack writes."""

import json

import pytest

from segue.stack import connections


def test_the_spark_connection_keeps_a_local_master() -> None:
    assert connections.master_of(connections.spark("local[2]")) == "local[2]"


def test_the_spark_connection_keeps_a_cluster_master() -> None:
    assert connections.master_of(connections.spark("spark://host:7077")) == "spark://host:7077"


@pytest.mark.parametrize(
    "connection", ["local[2]", "spark://local[2]", "[]", '{"conn_type": "spark"}', "{}"]
)
def test_what_would_submit_to_yarn_has_no_master(connection: str) -> None:
    assert connections.master_of(connection) is None


def test_a_mongo_uri_becomes_its_parts_with_the_password_decoded() -> None:
    assert json.loads(connections.mongo("mongodb://me:p%40ss%2F@h:27017/?authSource=admin")) == {
        "conn_type": "mongo",
        "host": "h:27017",
        "login": "me",
        "password": "p@ss/",
        "extra": {"authSource": "admin"},
    }


def test_a_replica_set_keeps_all_its_hosts_and_the_types_of_its_options() -> None:
    uri = "mongodb://a:1,b:2/music?replicaSet=rs0&tls=true&connectTimeoutMS=500"
    assert json.loads(connections.mongo(uri)) == {
        "conn_type": "mongo",
        "host": "a:1,b:2",
        "schema": "music",
        "extra": {"replicaSet": "rs0", "tls": True, "connectTimeoutMS": 500},
    }


def test_a_number_sign_and_an_ipv6_host_survive() -> None:
    connection = json.loads(connections.mongo("mongodb://me:a#b@[::1]:27017/?appName=a#b"))
    assert connection["host"] == "[::1]:27017"
    assert connection["password"] == "a#b"
    assert connection["extra"] == {"appName": "a#b"}


def test_an_srv_uri_is_marked_as_one() -> None:
    connection = json.loads(connections.mongo("mongodb+srv://me:x@cluster.example.net/"))
    assert connection["host"] == "cluster.example.net"
    assert connection["extra"] == {"srv": True}
