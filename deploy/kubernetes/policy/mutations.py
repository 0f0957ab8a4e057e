"""Wrong manifests: what is changed in which overlay, and the object and reason that the check must name."""

import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Mutation:
    """One change of the rendered objects."""

    name: str
    overlay: str
    object: str
    reason: str
    change: typing.Callable


MUTATIONS = []


def mutation(object_name, reason, overlay="production"):
    """Registers a function that changes the manifests; its name, in words, is the mutation's."""

    def register(change):
        name = change.__name__.replace("_", " ")
        MUTATIONS.append(Mutation(name, overlay, object_name, reason, change))
        return change

    return register


def spec(manifests, kind, name):
    return manifests.find(kind, name)["spec"]


def pod(manifests, name, kind="Deployment"):
    return spec(manifests, kind, name)["template"]["spec"]


def container(manifests, name, kind="Deployment"):
    return pod(manifests, name, kind)["containers"][0]


def set_variable(manifests, name, variable, value):
    container(manifests, name)["env"].append({"name": variable, "value": value})


def remove(manifests, kind, name):
    """Empties the object: the caller drops it."""
    thing = manifests.find(kind, name)
    manifests.objects[manifests.objects.index(thing)] = {}


def policy(manifests, name):
    return spec(manifests, "NetworkPolicy", name)


def add_policy(manifests, name, policy_spec):
    metadata = {"name": name, "namespace": "bodega"}
    manifests.objects.append(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": policy_spec}
    )


# pylint: disable=missing-function-docstring


@mutation("Deployment/cart", "readinessProbe is missing")
def no_readiness_probe(m):
    del container(m, "cart")["readinessProbe"]


@mutation("Deployment/order", "livenessProbe is missing")
def no_liveness_probe(m):
    del container(m, "order")["livenessProbe"]


@mutation("Deployment/gateway", "startupProbe is missing")
def no_startup_probe(m):
    del container(m, "gateway")["startupProbe"]


@mutation("Deployment/catalog", "livenessProbe is the same as readinessProbe")
def liveness_asks_the_database(m):
    container(m, "catalog")["livenessProbe"]["httpGet"]["path"] = "/readyz"


@mutation("Deployment/catalog", "readinessProbe does not request /readyz")
def readiness_is_liveness(m):
    container(m, "catalog")["readinessProbe"]["httpGet"]["path"] = "/healthz"


@mutation("Deployment/identity", "livenessProbe uses the port metrics")
def probe_of_a_port_that_does_not_exist(m):
    container(m, "identity")["livenessProbe"]["httpGet"]["port"] = "metrics"


@mutation("Deployment/pgbouncer", "livenessProbe is the same as readinessProbe", "production-full")
def same_probes_of_another_image(m):
    probed = container(m, "pgbouncer")
    probed["livenessProbe"] = {**probed["readinessProbe"], "periodSeconds": 30}


@mutation("Deployment/cart", "runAsUser is missing or 0")
def runs_as_root(m):
    pod(m, "cart")["securityContext"]["runAsUser"] = 0


@mutation("Deployment/cart", "runAsNonRoot is not true")
def container_may_run_as_root(m):
    container(m, "cart")["securityContext"]["runAsNonRoot"] = False


@mutation("Deployment/order", "it is privileged")
def privileged(m):
    container(m, "order")["securityContext"]["privileged"] = True


@mutation("Deployment/order", "allowPrivilegeEscalation is not false")
def privilege_escalation(m):
    del container(m, "order")["securityContext"]["allowPrivilegeEscalation"]


@mutation("Deployment/gateway", "readOnlyRootFilesystem is not true")
def writable_root(m):
    container(m, "gateway")["securityContext"]["readOnlyRootFilesystem"] = False


@mutation("Deployment/gateway", "it has capabilities")
def added_capability(m):
    container(m, "gateway")["securityContext"]["capabilities"]["add"] = ["NET_BIND_SERVICE"]


@mutation("Job/migrate-0-1-0", "seccompProfile is not RuntimeDefault")
def no_seccomp_profile_of_a_job(m):
    del pod(m, "migrate-0-1-0", "Job")["securityContext"]["seccompProfile"]


@mutation("Deployment/identity", "volume data is of the kind hostPath")
def host_path(m):
    pod(m, "identity")["volumes"].append({"name": "data", "hostPath": {"path": "/var/lib/bodega"}})


@mutation("Deployment/cart", "hostNetwork is set")
def host_network(m):
    pod(m, "cart")["hostNetwork"] = True


@mutation("Deployment/cart", "hostPort 7003 is set")
def host_port(m):
    container(m, "cart")["ports"][1]["hostPort"] = 7003


@mutation("Deployment/cart", "automountServiceAccountToken is not false")
def service_account_token(m):
    pod(m, "cart")["automountServiceAccountToken"] = True


@mutation("Deployment/order", "enableServiceLinks is not false")
def service_links(m):
    del pod(m, "order")["enableServiceLinks"]


@mutation("Deployment/order", "container shell: runAsNonRoot is not true")
def init_container_as_root(m):
    own = {"runAsNonRoot": False, "runAsUser": 0}
    pod(m, "order")["initContainers"] = [{"name": "shell", "image": "busybox:1.37", "securityContext": own}]


@mutation("Deployment/catalog", "limits.memory is missing")
def no_memory_limit(m):
    del container(m, "catalog")["resources"]["limits"]


@mutation("Deployment/catalog", "requests.cpu is missing")
def no_cpu_request(m):
    del container(m, "catalog")["resources"]["requests"]["cpu"]


@mutation("Deployment/identity", "limits.memory 256Mi is less than 1088 MiB")
def too_little_memory_for_images(m):
    container(m, "identity")["resources"]["limits"]["memory"] = "256Mi"


@mutation("Deployment/order", "image registry.example.com/bodega:latest has no version")
def latest_tag(m):
    container(m, "order")["image"] = "registry.example.com/bodega:latest"


@mutation("Deployment/order", "image registry.example.com/bodega has no version")
def no_tag(m):
    container(m, "order")["image"] = "registry.example.com/bodega"


@mutation("Deployment/cart", "image registry.example.com/bodega:0.0.9 is not 0.1.0")
def another_version_of_one_process(m):
    container(m, "cart")["image"] = "registry.example.com/bodega:0.0.9"


@mutation("Job/migrate", "its name does not end with the version")
def job_without_a_version(m):
    m.find("Job", "migrate-0-1-0")["metadata"]["name"] = "migrate"


@mutation("Job/migrate", "is missing")
def no_migration(m):
    remove(m, "Job", "migrate-0-1-0")


@mutation("Deployment/cart", "container bodega runs `serve order`")
def wrong_process(m):
    container(m, "cart")["args"] = ["serve", "order"]


@mutation("Deployment/cart", "has 0 PodDisruptionBudgets")
def no_disruption_budget(m):
    remove(m, "PodDisruptionBudget", "cart")


@mutation("PodDisruptionBudget/cart", "does not select the pods of one workload")
def disruption_budget_of_no_pods(m):
    spec(m, "PodDisruptionBudget", "cart")["selector"]["matchLabels"] = {"app": "cart"}


@mutation("PodDisruptionBudget/gateway", "maxUnavailable is not 1")
def disruption_budget_that_blocks_drains(m):
    spec(m, "PodDisruptionBudget", "gateway")["maxUnavailable"] = 0


@mutation("Deployment/gateway", "its pods are not spread over kubernetes.io/hostname")
def no_spread(m):
    pod(m, "gateway")["topologySpreadConstraints"].pop()


@mutation("Deployment/gateway", "its strategy is not a rolling update")
def recreate(m):
    spec(m, "Deployment", "gateway")["strategy"] = {"type": "Recreate"}


@mutation("Deployment/gateway", "terminationGracePeriodSeconds is less than 67")
def too_little_time_to_stop(m):
    pod(m, "gateway")["terminationGracePeriodSeconds"] = 30


@mutation("Deployment/cart", "its selector does not match its pods")
def wrong_selector_of_a_deployment(m):
    spec(m, "Deployment", "cart")["selector"]["matchLabels"] = {"app.kubernetes.io/name": "basket"}


@mutation("Service/order", "selects no pods")
def wrong_selector_of_a_service(m):
    spec(m, "Service", "order")["selector"] = {"app.kubernetes.io/name": "orders"}


@mutation("Service/catalog", "catalog has no port http2")
def wrong_target_port(m):
    spec(m, "Service", "catalog")["ports"][0]["targetPort"] = "http2"


@mutation("Service/identity", "port 80 is not the container's")
def mapped_port_of_a_headless_service(m):
    spec(m, "Service", "identity")["ports"][0]["port"] = 80


@mutation("Service/cart", "is not headless")
def cluster_address_of_a_service(m):
    del spec(m, "Service", "cart")["clusterIP"]


@mutation("Service/order", "its port is not grpc")
def no_app_protocol(m):
    del spec(m, "Service", "order")["ports"][0]["appProtocol"]


@mutation("Service/gateway", "is of the type LoadBalancer")
def published_gateway(m):
    spec(m, "Service", "gateway")["type"] = "LoadBalancer"


@mutation("Ingress/gateway", "Service/gateway has no port 8080")
def wrong_port_of_an_ingress(m):
    backend = spec(m, "Ingress", "gateway")["rules"][0]["http"]["paths"][0]["backend"]
    backend["service"]["port"] = {"number": 8080}


@mutation("HTTPRoute/gateway", "leads to order", "production-full")
def route_to_a_service(m):
    spec(m, "HTTPRoute", "gateway")["rules"][0]["backendRefs"][0] = {"name": "order", "port": 7004}


@mutation("Deployment/cart", "BODEGA_CATALOG_URL is http://catalog:7001: Service/catalog has no port 7001")
def wrong_port_of_an_upstream(m):
    variables = container(m, "cart")["env"]
    next(v for v in variables if v["name"] == "BODEGA_CATALOG_URL")["value"] = "http://catalog:7001"


@mutation("Deployment/order", "BODEGA_CART_URL is missing")
def missing_upstream(m):
    container(m, "order")["env"] = [v for v in container(m, "order")["env"] if v["name"] != "BODEGA_CART_URL"]


@mutation("Deployment/cart", "BODEGA_LISTEN is 127.0.0.1:7003: it must listen on all addresses")
def listens_on_loopback(m):
    next(v for v in container(m, "cart")["env"] if v["name"] == "BODEGA_LISTEN")["value"] = "127.0.0.1:7003"


@mutation("Deployment/cart", "BODEGA_CONNECTIONS is unknown to `serve cart`")
def unknown_variable(m):
    set_variable(m, "cart", "BODEGA_CONNECTIONS", "20")


@mutation("Deployment/gateway", "BODEGA_CURENCY is unknown to `serve gateway`")
def misspelled_variable_of_a_config_map(m):
    name = next(source["configMapRef"]["name"] for source in container(m, "gateway")["envFrom"] if source["configMapRef"]["name"].startswith("store"))
    m.find("ConfigMap", name)["data"] = {"BODEGA_CURENCY": "USD"}


@mutation("Deployment/gateway", "JWT_SECRET_KEY_FILE is unknown to `serve gateway`")
def variable_of_another_process(m):
    set_variable(m, "gateway", "JWT_SECRET_KEY_FILE", "/run/secrets/bodega/service-token")


@mutation("Deployment/gateway", "ConfigMap/settings does not exist")
def missing_config_map(m):
    container(m, "gateway")["envFrom"].append({"configMapRef": {"name": "settings"}})


@mutation("Deployment/order", "DB_PASSWORD is a secret: use DB_PASSWORD_FILE")
def secret_as_a_plain_value(m):
    set_variable(m, "order", "DB_PASSWORD", "hunter2")


@mutation("Deployment/order", "DB_PASSWORD has the value of a secret")
def secret_as_a_variable(m):
    reference = {"secretKeyRef": {"name": "order", "key": "db-password"}}
    container(m, "order")["env"].append({"name": "DB_PASSWORD", "valueFrom": reference})


@mutation("Deployment/order", "envFrom has the secret order")
def secret_as_all_variables(m):
    container(m, "order")["envFrom"].append({"secretRef": {"name": "order"}})


@mutation("Deployment/cart", "DB_PASSWORD_FILE is /run/secrets/bodega/password, which no mounted secret has")
def file_that_no_secret_has(m):
    variables = container(m, "cart")["env"]
    next(v for v in variables if v["name"] == "DB_PASSWORD_FILE")["value"] = "/run/secrets/bodega/password"


@mutation("Deployment/cart", "password of Secret/cart is neither in the manifests nor in README.md")
def undocumented_key_of_a_secret(m):
    sources = next(v for v in pod(m, "cart")["volumes"] if v["name"] == "secrets")["projected"]["sources"]
    sources[1]["secret"]["items"][0]["key"] = "password"


@mutation("Deployment/order", "BODEGA_NATS_URL has a password", "production-full")
def password_in_a_url(m):
    next(v for v in container(m, "order")["env"] if v["name"] == "BODEGA_NATS_URL")["value"] = "nats://order:hunter2@nats:4222"


@mutation("Deployment/cart", "Additional properties are not allowed ('resorces' was unexpected)")
def misspelled_field(m):
    container(m, "cart")["resorces"] = container(m, "cart").pop("resources")


@mutation("HorizontalPodAutoscaler/cart", "Additional properties are not allowed ('maxReplica' was unexpected)")
def misspelled_field_of_an_autoscaler(m):
    spec(m, "HorizontalPodAutoscaler", "cart")["maxReplica"] = 4


@mutation("PodMonitor/bodega", "Additional properties are not allowed ('podMetricEndpoints' was unexpected)", "production-full")
def misspelled_field_of_a_custom_resource(m):
    spec(m, "PodMonitor", "bodega")["podMetricEndpoints"] = []


@mutation("PodDisruptionBudget/order", "Kubernetes 1.30 has no policy/v1beta1")
def removed_version_of_an_api(m):
    m.find("PodDisruptionBudget", "order")["apiVersion"] = "policy/v1beta1"


@mutation("Deployment/gateway", "is not in the namespace bodega")
def another_namespace(m):
    m.find("Deployment", "gateway")["metadata"]["namespace"] = "default"


@mutation("Namespace/bodega", "enforce is not restricted")
def privileged_namespace(m):
    m.find("Namespace", "bodega")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged"


@mutation("Namespace/bodega", "connections are more than max_connections = 300")
def more_replicas_than_connections(m):
    spec(m, "HorizontalPodAutoscaler", "catalog")["maxReplicas"] = 40


@mutation("Namespace/bodega", "connections are more than max_connections = 300")
def larger_pools_than_connections(m):
    name = next(source["configMapRef"]["name"] for source in container(m, "cart")["envFrom"] if source["configMapRef"]["name"].startswith("database"))
    m.find("ConfigMap", name)["data"]["BODEGA_DB_CONNECTIONS"] = "20"


@mutation("StatefulSet/postgres", "connections are more than max_connections = 20", "local")
def fewer_connections_of_postgres(m):
    container(m, "postgres", "StatefulSet")["args"] = ["-c", "max_connections=20"]


@mutation("Namespace/bodega", "connections are more than max_connections = 300", "production-full")
def more_poolers_than_connections(m):
    spec(m, "Deployment", "pgbouncer")["replicas"] = 10


@mutation("Deployment/pgbouncer", "max_prepared_statements is 0", "production-full")
def no_prepared_statements(m):
    volume = next(v for v in pod(m, "pgbouncer")["volumes"] if v["name"] == "config")
    data = m.find("ConfigMap", volume["configMap"]["name"])["data"]
    data["pgbouncer.ini"] = data["pgbouncer.ini"].replace("max_prepared_statements = 500", "max_prepared_statements = 0")


@mutation("HorizontalPodAutoscaler/cart", "Deployment/basket does not exist")
def autoscaler_of_nothing(m):
    spec(m, "HorizontalPodAutoscaler", "cart")["scaleTargetRef"]["name"] = "basket"


@mutation("Deployment/gateway", "has 1 to 8 replicas")
def one_gateway_in_production(m):
    spec(m, "HorizontalPodAutoscaler", "gateway")["minReplicas"] = 1


@mutation("NetworkPolicy/gateway", "allows egress from gateway to Postgres")
def policy_from_gateway_to_the_database(m):
    values = policy(m, "database-clients")["podSelector"]["matchExpressions"][0]["values"]
    values.append("gateway")


@mutation("NetworkPolicy/cart", "allows ingress from identity to cart, TCP 7003")
def added_edge(m):
    peer = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "identity"}}}
    policy(m, "cart")["ingress"][0]["from"].append(peer)


@mutation("NetworkPolicy/order", "no policy allows egress from order to cart, TCP 7003")
def removed_edge(m):
    egress = policy(m, "order")["egress"]
    egress.remove(next(rule for rule in egress if rule["ports"][0]["port"] == 7003))


@mutation("NetworkPolicy/catalog", "no policy allows ingress from order to catalog, TCP 7002")
def removed_caller(m):
    policy(m, "catalog")["ingress"][0]["from"] = [
        peer for peer in policy(m, "catalog")["ingress"][0]["from"] if peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] != "order"
    ]


@mutation("NetworkPolicy/identity", "allows ingress from another pod of the namespace to identity")
def policy_for_every_pod_of_the_namespace(m):
    policy(m, "identity")["ingress"][0]["from"] = [{"podSelector": {}}]


@mutation("NetworkPolicy/cart", "allows ingress from a pod named order of another namespace to cart")
def policy_for_pods_of_all_namespaces(m):
    for peer in policy(m, "cart")["ingress"][0]["from"]:
        peer["namespaceSelector"] = {}


@mutation("NetworkPolicy/order", "allows ingress from gateway to order, TCP any")
def policy_without_ports(m):
    del policy(m, "order")["ingress"][0]["ports"]


@mutation("NetworkPolicy/cart", "allows egress from cart to the internet, TCP any")
def policy_that_allows_everything(m):
    add_policy(m, "debug", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": m_internet()}]}]})


def m_internet():
    private = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
    return {"cidr": "0.0.0.0/0", "except": private}


@mutation("NetworkPolicy/order", "allows egress from order to any address, with 169.254.0.0/16, TCP 443")
def metadata_service_of_the_cloud(m):
    policy(m, "https-clients")["egress"][0]["to"][0]["ipBlock"]["except"].remove("169.254.0.0/16")


@mutation("NetworkPolicy/order", "no policy allows egress from order to the internet, TCP 587")
def no_connection_to_the_smtp_server(m):
    policy(m, "smtp-clients")["egress"][0]["ports"].remove({"port": 587})


@mutation("NetworkPolicy/cart", "allows egress from cart to the internet, TCP 465")
def smtp_from_a_service_without_mail(m):
    policy(m, "smtp-clients")["podSelector"]["matchExpressions"][0]["values"].append("cart")


@mutation("Deployment/order", "container bodega: BODEGA_SMTP_URL is a secret: use BODEGA_SMTP_URL_FILE", "production-full")
def smtp_password_in_a_variable(m):
    set_variable(m, "order", "BODEGA_SMTP_URL", "smtps://smtp.example.com")


@mutation("NetworkPolicy/default-deny", "Egress of another pod of the namespace is not denied by default")
def no_default_deny_of_egress(m):
    policy(m, "default-deny")["policyTypes"] = ["Ingress"]
    remove(m, "NetworkPolicy", "dns")


@mutation("NetworkPolicy/default-deny", "Ingress of another pod of the namespace is not denied by default")
def no_default_deny(m):
    remove(m, "NetworkPolicy", "default-deny")


@mutation("NetworkPolicy/gateway", "no policy allows egress from gateway to DNS, UDP 53")
def no_dns(m):
    remove(m, "NetworkPolicy", "dns")


@mutation("NetworkPolicy/catalog", "no policy allows egress from catalog to NATS", "production-full")
def no_connection_to_nats(m):
    policy(m, "nats-clients")["podSelector"]["matchExpressions"][0]["values"].remove("catalog")


@mutation("NetworkPolicy/cart", "allows egress from cart to Postgres", "production-full")
def connection_past_pgbouncer(m):
    policy(m, "database-clients")["podSelector"]["matchExpressions"][0]["values"].append("cart")


@mutation("PodMonitor/bodega", "not the five processes", "production-full")
def process_without_metrics(m):
    spec(m, "PodMonitor", "bodega")["selector"]["matchExpressions"][0]["values"].remove("order")


@mutation("Deployment/cart", "fsGroup or supplementalGroups is 0")
def group_of_root(m):
    pod(m, "cart")["securityContext"]["fsGroup"] = 0


@mutation("Deployment/order", "command replaces the program of the image")
def shell(m):
    container(m, "order")["command"] = ["sh", "-c", "bodega serve order"]


@mutation("Deployment/order", "has no replicas", "local")
def no_replicas(m):
    spec(m, "Deployment", "order")["replicas"] = 0


@mutation("Deployment/cart", "its pods are not spread over topology.kubernetes.io/zone")
def spread_of_all_pods_together(m):
    del pod(m, "cart")["topologySpreadConstraints"][0]["matchLabelKeys"]


@mutation("Secret/stripe", "secrets must not be in git", "production-full")
def secret_in_git(m):
    metadata = {"name": "stripe", "namespace": "bodega"}
    data = {"secret-key": "sk_live_1", "publishable-key": "pk_live_1", "webhook-secret": "whsec_1"}
    m.objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


@mutation("Deployment/cart", "mounts db-password of Secret/order")
def secret_of_another_service(m):
    sources = next(v for v in pod(m, "cart")["volumes"] if v["name"] == "secrets")["projected"]["sources"]
    sources.append({"secret": {"name": "order", "items": [{"key": "db-password", "path": "order-password"}]}})


@mutation("Deployment/cart", "DB_USER is bodega, not bodega_cart")
def role_of_the_owner(m):
    next(v for v in container(m, "cart")["env"] if v["name"] == "DB_USER")["value"] = "bodega"


@mutation("Deployment/catalog", "BODEGA_CURRENCY is EUR, not USD as in gateway")
def two_currencies(m):
    sources = container(m, "catalog")["envFrom"]
    sources[:] = [source for source in sources if not source["configMapRef"]["name"].startswith("store")]
    set_variable(m, "catalog", "BODEGA_CURRENCY", "EUR")
