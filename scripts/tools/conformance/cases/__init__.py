"""What is done to simulated AWS: a function for each service, in which every operation succeeds once and is refused once.

For an operation that is new, add its calls to the function of its service; for a service that is new, a function, and name
it in ALL. What exists before the first call is set up by tests/tests/conformance.rs.
"""

from cases import executions, fleet, names, replication, small, tables

ALL = [
    fleet.fleet,
    small.parameters,
    small.secrets,
    small.topics,
    small.schedules,
    small.functions,
    names.names,
    tables.tables,
    executions.executions,
    replication.replication,
    replication.conversions,
]
