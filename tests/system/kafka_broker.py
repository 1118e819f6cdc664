"""A real Apache Kafka broker for the tests: one process, KRaft mode, free ports on 127.0.0.1.

    from kafka_broker import KafkaBroker
    with KafkaBroker(listeners=["PLAINTEXT", "SASL_SSL"]) as broker:
        broker.create_topic("events", partitions=4)
        broker.produce("events", [b"one", b"two"], partition=0)
        broker.client_config("SASL_SSL", mechanism="SCRAM-SHA-256")   # librdkafka properties
        broker.kill(); broker.start()                                  # an outage; same ports, same data

With pytest, put `pytest_plugins = ["kafka_broker"]` into conftest.py and use the fixtures `kafka_broker` (one
plain broker for the whole run) or `new_kafka_broker` (a factory). Where Java, Maven or the artifacts are missing
they fail when CI=true or DRIFTD_REQUIRE_KAFKA=1; else they skip, with a reason that begins with SKIP_MARK.

The jars come from Maven (tests/system/kafka/pom.xml has the versions) into tests/.cache/kafka, once.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parent / ".cache" / "kafka"
POM = HERE / "kafka" / "pom.xml"

USER, PASSWORD = "driftd", "canary-secret-7Q"  # the tests look for this password where it must not be
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
MAVEN_TIMEOUT_S = 600
ADMIN_TIMEOUT_S = 60  # a busy machine
PR_SET_PDEATHSIG = 1


class KafkaUnavailable(Exception):
    """No broker can be had here; the message says what is missing."""


def fetch_jars():
    """Directory with the broker's jars; downloads them the first time. Safe for several processes at once."""
    for program in ("java", "mvn"):
        if not shutil.which(program):
            raise KafkaUnavailable(f"`{program}` is not installed (Debian: default-jre-headless, maven)")
    CACHE.mkdir(parents=True, exist_ok=True)
    version = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    libs = CACHE / f"libs-{version}"
    with open(CACHE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not libs.is_dir():
            fresh = CACHE / f"fetching-{version}"
            shutil.rmtree(fresh, ignore_errors=True)
            command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
                       f"-DoutputDirectory={fresh}"]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=MAVEN_TIMEOUT_S, check=False)
            except subprocess.TimeoutExpired as error:
                raise KafkaUnavailable(f"Maven did not finish within {MAVEN_TIMEOUT_S} s") from error
            if done.returncode != 0 or not list(fresh.glob("kafka_2.13-*.jar")):
                raise KafkaUnavailable("Maven could not fetch the broker: " + (done.stdout + done.stderr)[-2000:])
            fresh.rename(libs)
    return libs


def free_ports(count):
    """Ports nobody listens on now; all are held at once so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} failed: {done.stdout}{done.stderr}"[-4000:])
    return done.stdout


def _die_with_parent():
    ctypes.CDLL("libc.so.6", use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Certificates:
    """A throw-away CA, a server certificate for 127.0.0.1 and localhost, a client certificate, and another CA
    that nobody trusts. PEM files in `directory`."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca = self._authority("ca")
        self.other_ca = self._authority("other-ca")
        self.server_key, self.server = self._signed("server", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        self.client_key, self.client = self._signed("client", "extendedKeyUsage=clientAuth")
        self.server_store = self.directory / "server-store.pem"
        self.server_store.write_bytes(self.server_key.read_bytes() + self.server.read_bytes() + self.ca.read_bytes())

    def _authority(self, name):
        key, certificate = self.directory / f"{name}.key", self.directory / f"{name}.pem"
        _run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=driftd test {name}",
              "-keyout", key, "-out", certificate])
        return certificate

    def _signed(self, name, extension):
        key, request, certificate = (self.directory / f"{name}{suffix}" for suffix in (".key", ".csr", ".pem"))
        extensions = self.directory / f"{name}.ext"
        extensions.write_text(extension + "\n", encoding="ascii")
        _run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN=driftd-{name}", "-keyout", key, "-out",
              request])
        _run(["openssl", "x509", "-req", "-days", "2", "-in", request, "-CA", self.ca, "-CAkey",
              self.directory / "ca.key", "-CAcreateserial", "-extfile", extensions, "-out", certificate])
        return key, certificate


class KafkaBroker:
    """One broker. `listeners` of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL; PLAINTEXT is always there, for the
    tests' own use. `acl=True`: users who come by SASL may do only what allow() grants. `properties` go into
    server.properties last. `directory` None: a temporary one, removed by close()."""

    def __init__(self, listeners=("PLAINTEXT",), acl=False, properties=None, directory=None, heap="384m"):
        self._libs = fetch_jars()
        self._own_directory = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="driftd-kafka-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.listeners = ["PLAINTEXT"] + [name for name in listeners if name != "PLAINTEXT"]
        self.certificates = Certificates(self.directory / "tls") if any("SSL" in name for name in listeners) else None
        self.log_path = self.directory / "broker.log"
        self._acl, self._extra, self._heap = acl, dict(properties or {}), heap
        self._process = None
        self._ports = {}
        self._formatted = False
        self._producer_handle = None
        self._producer_errors = []

    # ---- life ------------------------------------------------------------------------------------------------

    def start(self):
        """Starts and waits until it answers. The first start picks the ports, later ones keep them."""
        assert self._process is None, "the broker runs already"
        for attempt in range(3):
            first = not self._formatted
            if first:
                self._format()
            try:
                self._launch()
                return self
            except RuntimeError:
                if not first or attempt == 2 or "Address already in use" not in self.log_tail(200):
                    raise
                self._formatted = False
                shutil.rmtree(self.directory / "data", ignore_errors=True)
        raise AssertionError("not reached")

    def stop(self):
        """A clean shutdown."""
        self._end(signal.SIGTERM)

    def kill(self):
        """As a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self):
        self.stop()
        return self.start()

    def freeze(self):
        """It stays connected and says nothing more; thaw() ends that."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def close(self):
        self._drop_producer()
        if self._process is not None:
            self.kill()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start() if self._process is None else self

    def __exit__(self, *unused):
        self.close()

    @property
    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def log_tail(self, lines=40):
        with contextlib.suppress(OSError):
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def _end(self, how):
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _java(self, *arguments):
        return ["java", f"-Xmx{self._heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
                "-cp", f"{self._libs}/*", *arguments]

    def _format(self):
        names = self.listeners + ["CONTROLLER"]
        self._ports = dict(zip(names, free_ports(len(names))))
        (self.directory / "server.properties").write_text(self._server_properties(), encoding="utf-8")
        identity = uuid.uuid4()
        command = self._java("kafka.tools.StorageTool", "format", "-t", str(identity), "-c",
                             str(self.directory / "server.properties"), "--add-scram",
                             f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]")
        _run(command)
        self._formatted = True

    def _server_properties(self):
        names = self.listeners + ["CONTROLLER"]
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._ports['CONTROLLER']}",
            "listeners": ",".join(f"{name}://127.0.0.1:{self._ports[name]}" for name in names),
            "advertised.listeners": ",".join(f"{name}://127.0.0.1:{self._ports[name]}" for name in self.listeners),
            "listener.security.protocol.map": ",".join(
                f"{name}:{'PLAINTEXT' if name == 'CONTROLLER' else name}" for name in names),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.directory / "data"),
            "num.partitions": "4",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "1",
            "group.initial.rebalance.delay.ms": "0",
            "log.retention.check.interval.ms": "1000",
            "log.initial.task.delay.ms": "0",
        }
        if any(name.startswith("SASL") for name in self.listeners):
            lines |= self._sasl_properties()
        if self.certificates:
            lines |= {
                "ssl.keystore.type": "PEM", "ssl.keystore.location": str(self.certificates.server_store),
                "ssl.truststore.type": "PEM", "ssl.truststore.location": str(self.certificates.ca),
                "listener.name.ssl.ssl.client.auth": "requested",
            }
        if self._acl:
            lines |= {
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
            }
        lines |= self._extra
        return "".join(f"{key}={value}\n" for key, value in lines.items())

    def _sasl_properties(self):
        package = "org.apache.kafka.common.security"
        lines = {"sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256"}
        for name in (name.lower() for name in self.listeners if name.startswith("SASL")):
            lines[f"listener.name.{name}.plain.sasl.jaas.config"] = (
                f'{package}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";')
            lines[f"listener.name.{name}.scram-sha-256.sasl.jaas.config"] = (
                f"{package}.scram.ScramLoginModule required;")
        return lines

    def _launch(self):
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with
                self._java("kafka.Kafka", str(self.directory / "server.properties")), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent, cwd=self.directory)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the broker did not start, its log ends with:\n{self.log_tail()}")
            time.sleep(0.05)

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self._ports["PLAINTEXT"]), 0.2).close()
        except OSError:
            return False
        try:
            return bool(self._admin().list_topics(timeout=2).brokers)
        except Exception:  # pylint: disable=broad-exception-caught
            return False

    # ---- for clients -------------------------------------------------------------------------------------------

    def bootstrap(self, listener="PLAINTEXT"):
        return f"127.0.0.1:{self._ports[listener]}"

    def client_config(self, listener="PLAINTEXT", mechanism="PLAIN", password=PASSWORD):
        """librdkafka properties that get in."""
        config = {"bootstrap.servers": self.bootstrap(listener)}
        if listener != "PLAINTEXT":
            config["security.protocol"] = listener
        if "SSL" in listener:
            config["ssl.ca.location"] = str(self.certificates.ca)
        if listener.startswith("SASL"):
            config |= {"sasl.mechanism": mechanism, "sasl.username": USER, "sasl.password": password}
        return config

    # ---- what tests do with it -----------------------------------------------------------------------------------

    def _admin(self):
        from confluent_kafka.admin import AdminClient
        return AdminClient({"bootstrap.servers": self.bootstrap(), "log_level": 0})

    def create_topic(self, name, partitions=1, **config):
        """`config`: topic settings with `_` for `.`."""
        from confluent_kafka.admin import NewTopic
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        admin = self._admin()  # must outlive the result
        admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(ADMIN_TIMEOUT_S)
        self._wait_for_topic(name, partitions)

    def add_partitions(self, name, partitions):
        from confluent_kafka.admin import NewPartitions
        admin = self._admin()
        admin.create_partitions([NewPartitions(name, partitions)])[name].result(ADMIN_TIMEOUT_S)
        self._wait_for_topic(name, partitions)

    def delete_topic(self, name):
        admin = self._admin()
        admin.delete_topics([name])[name].result(ADMIN_TIMEOUT_S)

    def _wait_for_topic(self, name, partitions):
        deadline = time.monotonic() + ADMIN_TIMEOUT_S
        admin = self._admin()
        while time.monotonic() < deadline:
            topic = admin.list_topics(name, timeout=5).topics[name]
            if len(topic.partitions) == partitions and all(p.leader >= 0 for p in topic.partitions.values()):
                return
            time.sleep(0.05)
        raise RuntimeError(f"topic {name} has no {partitions} partitions with leaders after {ADMIN_TIMEOUT_S} s")

    def delete_records(self, name, partition, before):
        """Moves the log's start."""
        from confluent_kafka import TopicPartition
        admin = self._admin()
        for result in admin.delete_records([TopicPartition(name, partition, before)]).values():
            result.result(ADMIN_TIMEOUT_S)

    def allow(self, operation, topic=None, group=None, user=USER):
        """Grants an operation ("READ", "DESCRIBE", …) on a topic or group; for acl=True."""
        from confluent_kafka.admin import (AclBinding, AclOperation, AclPermissionType, ResourcePatternType,
                                           ResourceType)
        kind = ResourceType.TOPIC if topic else ResourceType.GROUP
        binding = AclBinding(kind, topic or group, ResourcePatternType.LITERAL, f"User:{user}", "*",
                             AclOperation[operation], AclPermissionType.ALLOW)
        admin = self._admin()
        admin.create_acls([binding])[binding].result(ADMIN_TIMEOUT_S)

    def _producer(self):
        from confluent_kafka import Producer
        if self._producer_handle is None:
            self._producer_handle = Producer({"bootstrap.servers": self.bootstrap(), "enable.idempotence": True,
                                              "linger.ms": 5, "compression.type": "lz4",
                                              "reconnect.backoff.max.ms": 500, "log_level": 0})
        return self._producer_handle

    def _drop_producer(self):
        if self._producer_handle is not None:
            self._producer_handle.purge()
            self._producer_handle = None

    def _delivered(self, error, _message):
        if error is not None:
            self._producer_errors.append(str(error))

    def produce(self, topic, values, partition=None, keys=None, headers=None, timestamp=0, timeout=60):
        """Appends and waits until all are on the broker. `keys`: as many as values, or None. `timestamp`: one for all, or a list."""
        producer = self._producer()
        options = {} if partition is None else {"partition": partition}
        for index, value in enumerate(values):
            while True:
                try:
                    producer.produce(topic, value, key=keys[index] if keys else None, headers=headers,
                                     timestamp=timestamp[index] if isinstance(timestamp, list) else timestamp, on_delivery=self._delivered, **options)
                    break
                except BufferError:
                    producer.poll(0.1)
            if index % 1000 == 0:
                producer.poll(0)
        left = producer.flush(timeout)
        errors, self._producer_errors = self._producer_errors, []
        if left or errors:
            raise RuntimeError(f"{left} records not delivered within {timeout} s; errors: {errors[:3]}")

    def transaction(self, transactional_id):
        """A confluent_kafka producer with its transactions initialised."""
        from confluent_kafka import Producer
        producer = Producer({"bootstrap.servers": self.bootstrap(), "transactional.id": transactional_id,
                             "log_level": 0})
        producer.init_transactions(30)
        return producer

    def offsets(self, topic, partition):
        """(low, high) of a partition."""
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.bootstrap(), "group.id": "tests-offsets", "log_level": 0})
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10, cached=False)
        finally:
            consumer.close()

    def committed(self, group, topic, partition):
        """The group's committed offset, None when there is none."""
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.bootstrap(), "group.id": group, "log_level": 0})
        try:
            offset = consumer.committed([TopicPartition(topic, partition)], timeout=10)[0].offset
            return offset if offset >= 0 else None
        finally:
            consumer.close()


# ---- pytest ------------------------------------------------------------------------------------------------------

def kafka_is_required():
    return os.environ.get("CI", "").lower() == "true" or os.environ.get("DRIFTD_REQUIRE_KAFKA") == "1"


SKIP_MARK = "NO REAL KAFKA BROKER"

try:
    import pytest
except ImportError:  # used from a plain script
    pytest = None

if pytest is not None:

    def broker_or_skip(**options):
        try:
            import confluent_kafka  # noqa: F401 pylint: disable=unused-import
            return KafkaBroker(**options).start()
        except (KafkaUnavailable, ImportError) as error:
            if kafka_is_required():
                pytest.fail(f"{SKIP_MARK}, and CI=true or DRIFTD_REQUIRE_KAFKA=1 asks for one: {error}")
            pytest.skip(f"{SKIP_MARK}: {error}")

    @pytest.fixture(scope="session")
    def kafka_broker():
        """One PLAINTEXT broker for the whole run: use topics of your own."""
        broker = broker_or_skip()
        yield broker
        broker.close()

    @pytest.fixture
    def new_kafka_broker():
        """new_kafka_broker(listeners=[…], acl=…) → a broker that ends with the test."""
        with contextlib.ExitStack() as brokers:

            def make(**options):
                broker = broker_or_skip(**options)
                brokers.callback(broker.close)
                return broker

            yield make
