"""JSON schemas of what the admin API answers, after its table in the README: every member is named,
so that neither a missing nor an unknown one goes unseen."""

import jsonschema

from schemas import BOOL, TEXT, many, number, one_of, thing

ANY_TEXT = {"type": "string"}
COUNT = number(0, 1 << 53)
REAL = {"type": "number"}
PERCENT = {"type": "number", "minimum": 0, "maximum": 100}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
VERDICT = one_of("pass", "fail", "inconclusive")


def or_none(schema):
    return {"anyOf": [schema, {"type": "null"}]}


PLAN = thing({
    "state": one_of("idle", "holding", "paused", "waiting", "rolled_back", "soaking", "finished"),
    "step": number(0, 100), "steps": number(0, 100), "hold_left_s": or_none(COUNT), "verdict": or_none(VERDICT),
    "advance": one_of("manual", "auto"), "weight": or_none(PERCENT), "next_weight": or_none(PERCENT),
    "hold_s": COUNT, "held_s": COUNT, "note": ANY_TEXT, "failed": BOOL, "strikes": COUNT, "strikes_max": COUNT,
    "on_fail": one_of("rollback", "hold"), "verdict_cause": ANY_TEXT, "verdict_reason": ANY_TEXT,
    "requests_needed": or_none(COUNT), "seconds_needed": or_none(COUNT), "window_needed_s": or_none(COUNT),
    "failing_over": BOOL,
    "warm_up_left_s": COUNT, "gate": or_none(one_of("before", "after")), "gate_detail": ANY_TEXT,
    "step_list": many(thing({"weight": PERCENT, "hold_s": COUNT, "before": BOOL, "after": BOOL}), 0)})

FREEZE = {"anyOf": [
    thing({"on": {"const": False}}),
    thing({"on": {"const": True}, "since": TIME, "retry_after_s": number(1, 3600), "routes": many(TEXT, 0),
           "writes_open": COUNT})]}

BACKEND = thing({
    "name": TEXT, "admin": one_of("ready", "drain", "maint"), "health": one_of("up", "down", "unknown"),
    "servers": many(thing({"url": TEXT, "health": TEXT, "ejected": BOOL, "active": COUNT, "idle": COUNT})),
    "share": thing({"requests_1m": COUNT, "sockets": COUNT})})

STATUS = thing(
    {"version": TEXT, "uptime_s": COUNT, "generation": COUNT, "weight": PERCENT,
     "routes": many(thing({"name": TEXT}, weight=PERCENT, pin=one_of("old", "new"), follows={"const": "main"},
                          plan=PLAN), 0),
     "backends": thing({"old": BACKEND, "new": BACKEND}), "plan": PLAN, "freeze": FREEZE, "rollback_ready": BOOL,
     "rollback_not_ready_reason": or_none(TEXT),
     "last_change": or_none(thing({"at": TIME, "actor": TEXT, "what": TEXT, "route": or_none(TEXT), "reason": ANY_TEXT,
                                   "from": PERCENT, "to": PERCENT})),
     "durable": BOOL, "audit_durable": BOOL, "draining": BOOL, "certificates": {"type": "array"},
     "warnings": many(TEXT, 0)})

INTERVAL = thing({"lower": REAL, "value": REAL, "upper": REAL})
LATENCY = thing({"p50": or_none(REAL), "p95": or_none(REAL), "p99": or_none(REAL), "count": COUNT})
SIDE = thing({
    "name": TEXT, "requests": COUNT, "errors": COUNT, "error_rate": INTERVAL,
    "errors_by_kind": thing({kind: COUNT for kind in ("connect", "tls", "timeout", "broken", "platform", "5xx")}),
    "shown": thing({status: COUNT for status in ("401", "403", "404", "413", "429")}), "failovers": COUNT,
    "connect_ms": LATENCY, "first_byte_ms": LATENCY, "total_ms": LATENCY,
    "design_effect": thing({"errors": REAL, "latency": REAL})})

COMPARE = thing({
    "route": TEXT, "window_s": COUNT, "verdict": VERDICT, "cause": ANY_TEXT, "reason": ANY_TEXT,
    "requests_needed": or_none(COUNT), "seconds_needed": or_none(COUNT), "window_needed_s": or_none(COUNT),
    "failing_over": BOOL,
    "backends": thing({"old": SIDE, "new": SIDE}), "error_rate_over_old": INTERVAL,
    "p95_ratio": or_none(INTERVAL), "p95_over_old_ms": or_none(INTERVAL),
    "limits": thing({"min_requests": COUNT, "max_error_rate": REAL, "error_rate_over_old": REAL,
                     "p95_ratio": REAL, "p95_over_old_ms": COUNT})})

EVENT = thing({
    "id": number(1, 1 << 53), "at": TIME, "actor": TEXT, "what": TEXT, "subject": ANY_TEXT,
    "from": {"type": ["string", "number"]}, "to": {"type": ["string", "number"]}, "reason": ANY_TEXT,
    "result": TEXT})


def fits(value, schema):
    """The value, which is as the schema says."""
    jsonschema.validate(value, schema, cls=jsonschema.Draft7Validator)
    return value
