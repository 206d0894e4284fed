"""JSON schemas of the manifests, written after the platforms' public API references.

Small on purpose: they know the keys that are in use here, with their types and ranges, and refuse all
others, so that a slip is found. Whoever uses one more key adds it here.
"""


def thing(required, **more):
    """An object with these keys and no others."""
    return {"type": "object", "properties": {**required, **more}, "required": list(required),
            "additionalProperties": False}


def many(items, least=1):
    return {"type": "array", "items": items, "minItems": least}


def pattern(expression):
    return {"type": "string", "pattern": f"^(?:{expression})$"}


def number(low, high):
    return {"type": "integer", "minimum": low, "maximum": high}


def one_of(*values):
    return {"enum": list(values)}


TEXT, BOOL = {"type": "string", "minLength": 1}, {"type": "boolean"}
PORT = number(1, 65535)
LABELS = {"type": "object", "additionalProperties": TEXT}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
SWITCH = one_of("ENABLED", "DISABLED")
FILES = number(1, 1 << 20)
PORT_NAME = pattern("[a-z][a-z-]{0,14}")
DNS_LABEL = pattern("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

# RegisterTaskDefinition, for Fargate.
ECS = thing(
    {"family": pattern("[A-Za-z0-9_-]{1,255}"), "requiresCompatibilities": {"const": ["FARGATE"]},
     "networkMode": {"const": "awsvpc"}, "cpu": one_of("256", "512", "1024", "2048"),
     "memory": pattern(r"\d{3,5}"), "executionRoleArn": pattern(r"arn:aws:iam::\d{12}:role/\S+"),
     "containerDefinitions": many(thing(
         {"name": pattern("[A-Za-z0-9_-]{1,255}"), "image": TEXT, "essential": BOOL},
         command=many(TEXT), entryPoint=many(TEXT),
         portMappings=many(thing({"containerPort": PORT}, protocol=one_of("tcp", "udp"))),
         environment=many(thing({"name": TEXT, "value": {"type": "string"}})),
         secrets=many(thing({"name": TEXT, "valueFrom": pattern(r"arn:aws:(secretsmanager|ssm):\S+")})),
         mountPoints=many(thing({"sourceVolume": TEXT, "containerPath": pattern("/.*")}, readOnly=BOOL)),
         healthCheck=thing({"command": {"type": "array", "items": [one_of("CMD", "CMD-SHELL"), TEXT],
                                        "minItems": 2}},
                           interval=number(5, 300), timeout=number(2, 60), retries=number(1, 10),
                           startPeriod=number(0, 300)),
         stopTimeout=number(2, 120), readonlyRootFilesystem=BOOL, user=TEXT,
         linuxParameters=thing({}, initProcessEnabled=BOOL),
         ulimits=many(thing({"name": TEXT, "softLimit": FILES, "hardLimit": FILES})),
         logConfiguration=thing({"logDriver": one_of("awslogs", "splunk", "awsfirelens")},
                                options={"type": "object", "additionalProperties": TEXT})))},
    taskRoleArn=pattern(r"arn:aws:iam::\d{12}:role/\S+"),
    runtimePlatform=thing({"operatingSystemFamily": one_of("LINUX"),
                           "cpuArchitecture": one_of("X86_64", "ARM64")}),
    volumes=many(thing({"name": TEXT}, efsVolumeConfiguration=thing(
        {"fileSystemId": pattern("fs-[0-9a-f]+")}, rootDirectory=TEXT, transitEncryption=SWITCH,
        authorizationConfig=thing({}, accessPointId=pattern("fsap-[0-9a-f]+"), iam=SWITCH)))))

# CreateContainerServiceDeployment: containers, publicEndpoint.
LIGHTSAIL_CONTAINERS = {
    "type": "object", "minProperties": 1, "maxProperties": 10, "additionalProperties": False,
    "patternProperties": {"^[a-z0-9-]{1,53}$": thing(
        {"image": TEXT}, command=many(TEXT), environment=TEXTS,
        ports={"type": "object", "additionalProperties": False, "patternProperties": {
            r"^\d{1,5}$": one_of("HTTP", "HTTPS", "TCP", "UDP")}})}}
LIGHTSAIL_ENDPOINT = thing(
    {"containerName": TEXT, "containerPort": PORT},
    healthCheck=thing({}, path=pattern("/.*"), successCodes=pattern(r"[2-4]\d\d(-[2-4]\d\d)?"),
                      intervalSeconds=number(5, 300), timeoutSeconds=number(2, 60),
                      healthyThreshold=number(2, 10), unhealthyThreshold=number(2, 10)))

META = thing({"name": DNS_LABEL}, labels=LABELS, annotations=LABELS, namespace=DNS_LABEL)
PROBE = thing({"httpGet": thing({"path": pattern("/.*"), "port": {"anyOf": [PORT, DNS_LABEL]}})},
              initialDelaySeconds=number(0, 3600), periodSeconds=number(1, 3600),
              timeoutSeconds=number(1, 3600), failureThreshold=number(1, 100))
AMOUNTS = thing({}, cpu=pattern(r"\d+m?"), memory=pattern(r"\d+[KMG]i"), storage=pattern(r"\d+[KMG]i"))
MODE = number(0, 0o777)


def kind(api, name, **fields):
    return thing({"apiVersion": {"const": api}, "kind": {"const": name}, "metadata": META, **fields})


POD = thing(
    {"containers": many(thing(
        {"name": DNS_LABEL, "image": TEXT}, args=many(TEXT), command=many(TEXT),
        ports=many(thing({"containerPort": PORT}, name=PORT_NAME, protocol=one_of("TCP", "UDP"))),
        readinessProbe=PROBE, livenessProbe=PROBE, startupProbe=PROBE,
        resources=thing({}, requests=AMOUNTS, limits=AMOUNTS),
        securityContext=thing({}, allowPrivilegeEscalation=BOOL, readOnlyRootFilesystem=BOOL,
                              capabilities=thing({}, drop=many(TEXT), add=many(TEXT))),
        volumeMounts=many(thing({"name": DNS_LABEL, "mountPath": pattern("/.*")}, readOnly=BOOL))))},
    terminationGracePeriodSeconds=number(0, 3600), automountServiceAccountToken=BOOL, enableServiceLinks=BOOL,
    securityContext=thing({}, runAsNonRoot=BOOL, runAsUser=number(1, 1 << 31), runAsGroup=number(1, 1 << 31),
                          fsGroup=number(1, 1 << 31),
                          seccompProfile=thing({"type": one_of("RuntimeDefault")})),
    volumes=many({"oneOf": [
        thing({"name": DNS_LABEL, "secret": thing({"secretName": DNS_LABEL}, defaultMode=MODE)}),
        thing({"name": DNS_LABEL, "persistentVolumeClaim": thing({"claimName": DNS_LABEL})}),
        thing({"name": DNS_LABEL, "projected": thing({"sources": many({"oneOf": [
            thing({"configMap": thing({"name": DNS_LABEL})}),
            thing({"secret": thing({"name": DNS_LABEL})})]})}, defaultMode=MODE)})]}))
KUBERNETES = {
    "ConfigMap": kind("v1", "ConfigMap", data=TEXTS),
    "PersistentVolumeClaim": kind("v1", "PersistentVolumeClaim", spec=thing(
        {"accessModes": many(one_of("ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany")),
         "resources": thing({"requests": AMOUNTS})}, storageClassName=DNS_LABEL)),
    "Deployment": kind("apps/v1", "Deployment", spec=thing(
        {"selector": thing({"matchLabels": LABELS}),
         "template": thing({"metadata": thing({"labels": LABELS}), "spec": POD})},
        replicas=number(0, 100), strategy=thing({"type": one_of("Recreate", "RollingUpdate")}))),
    "Service": kind("v1", "Service", spec=thing(
        {"selector": LABELS, "ports": many(thing(
            {"port": PORT}, name=PORT_NAME, targetPort={"anyOf": [PORT, DNS_LABEL]}))},
        type=one_of("ClusterIP", "LoadBalancer", "NodePort"),
        externalTrafficPolicy=one_of("Local", "Cluster"))),
}

# The parts of the Compose specification that are used.
COMPOSE = thing(
    {"services": {"type": "object", "additionalProperties": thing(
        {}, image=TEXT, build=thing({"context": TEXT}, dockerfile=TEXT, target=TEXT), command=many(TEXT),
        ports=many(pattern(r"(\d+\.\d+\.\d+\.\d+:)?\d+:\d+")), volumes=many(pattern(r"[^:]+:/[^:]*(:ro)?")),
        secrets=many(TEXT), depends_on={"type": "object", "additionalProperties": thing(
            {"condition": one_of("service_started", "service_healthy")})},
        restart=one_of("no", "always", "on-failure", "unless-stopped"), stop_grace_period=pattern(r"\d+s"),
        ulimits={"type": "object", "additionalProperties": number(1, 1 << 20)},
        cap_drop=many(TEXT), security_opt=many(TEXT), environment=LABELS)}},
    name=DNS_LABEL, volumes={"type": "object"},
    secrets={"type": "object", "additionalProperties": thing({}, environment=TEXT, file=TEXT)})
