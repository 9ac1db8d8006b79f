"""Route 53."""

from aws import REGION, until

ZONE = "Z0CONFORMANCE"
PRIVATE_ZONE = "Z0PRIVATE"


def names(aws):
    def change(*changes, **more):
        listed = [{"Action": action, "ResourceRecordSet": record} for action, record in changes]
        return {"HostedZoneId": ZONE, "ChangeBatch": {"Changes": listed, **more}}

    def record(name, kind, *values, **more):
        return {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value} for value in values], **more}

    alias = {"HostedZoneId": ZONE, "DNSName": "a.example.org", "EvaluateTargetHealth": False}
    sets = [
        record("a.example.org", "A", "192.0.2.1", "192.0.2.2"),
        record("c.example.org", "CNAME", "a.example.org"),
        record("f.example.org", "A", "192.0.2.1", SetIdentifier="one", Failover="SECONDARY"),
        record("g.example.org", "A", "192.0.2.1", SetIdentifier="one", GeoLocation={"ContinentCode": "EU"}),
        record("l.example.org", "A", "192.0.2.1", SetIdentifier="one", Region=REGION),
        record("m.example.org", "A", "192.0.2.1", SetIdentifier="one", MultiValueAnswer=True),
        {"Name": "z.example.org", "Type": "A", "AliasTarget": alias},
    ]
    upserts = [("UPSERT", one) for one in sets]
    sent = aws.call("route53", "ChangeResourceRecordSets", **change(*upserts, Comment="<conformance>"))["ChangeInfo"]
    until(
        lambda: aws.call("route53", "GetChange", Id=sent["Id"])["ChangeInfo"]["Status"] == "INSYNC",
        "the change INSYNC",
    )
    page = aws.call("route53", "ListResourceRecordSets", HostedZoneId=ZONE, MaxItems="2")
    start = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
    aws.call("route53", "ListResourceRecordSets", HostedZoneId=ZONE, **start)
    for zone in (ZONE, PRIVATE_ZONE):
        aws.call("route53", "GetHostedZone", Id=zone)
    missing = change(("DELETE", record("nothing.example.org", "A", "192.0.2.1")))
    aws.refuse("route53", "ChangeResourceRecordSets", "InvalidChangeBatch", **missing)
    aws.refuse("route53", "ChangeResourceRecordSets", "NoSuchHostedZone", **{**missing, "HostedZoneId": "Z0NOBODYS"})
    aws.refuse("route53", "ListResourceRecordSets", "NoSuchHostedZone", HostedZoneId="Z0NOBODYS")
    aws.refuse("route53", "ListResourceRecordSets", "InvalidInput", HostedZoneId=ZONE, MaxItems="0")
    aws.refuse("route53", "GetHostedZone", "NoSuchHostedZone", Id="Z0NOBODYS")
    aws.refuse("route53", "GetChange", "NoSuchChange", Id="C0NOBODYS")
