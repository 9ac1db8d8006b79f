"""DynamoDB."""

TABLE = "landfall"


def tables(aws):
    key = {"PK": {"S": "CONFORMANCE"}, "SK": {"S": "1"}}
    item = {
        **key,
        "number": {"N": "1.5"},
        "flag": {"BOOL": True},
        "nothing": {"NULL": True},
        "bytes": {"B": b"\x00\xff"},
        "words": {"SS": ["a", "b"]},
        "numbers": {"NS": ["1", "2"]},
        "blobs": {"BS": [b"a"]},
        "list": {"L": [{"S": "a"}, {"N": "1"}]},
        "map": {"M": {"inner": {"S": "a"}}},
    }
    capacity = {"ReturnConsumedCapacity": "TOTAL"}
    absent = {"TableName": "nobodys"}
    for operation in ("DescribeTable", "DescribeTimeToLive"):
        aws.call("dynamodb", operation, TableName=TABLE)
        aws.refuse("dynamodb", operation, "ResourceNotFoundException", **absent)
    aws.call("dynamodb", "PutItem", TableName=TABLE, Item=item, **capacity)
    aws.call("dynamodb", "PutItem", TableName=TABLE, Item=item, ReturnValues="ALL_OLD")
    new = {
        "Item": item,
        "ConditionExpression": "attribute_not_exists(PK)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    failed = "ConditionalCheckFailedException"
    aws.refuse("dynamodb", "PutItem", failed, TableName=TABLE, **new)
    aws.call("dynamodb", "GetItem", TableName=TABLE, Key=key, ConsistentRead=True, ReturnConsumedCapacity="INDEXES")
    aws.refuse("dynamodb", "GetItem", "ResourceNotFoundException", Key=key, **absent)
    update = {
        "Key": key,
        "UpdateExpression": "SET #n = :n",
        "ExpressionAttributeNames": {"#n": "number"},
        "ExpressionAttributeValues": {":n": {"N": "2"}},
    }
    aws.call("dynamodb", "UpdateItem", TableName=TABLE, ReturnValues="ALL_NEW", **update, **capacity)
    aws.refuse("dynamodb", "UpdateItem", failed, TableName=TABLE, ConditionExpression="attribute_not_exists(PK)", **update)
    where = {
        "KeyConditionExpression": "PK = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "CONFORMANCE"}},
    }
    put = {"PutRequest": {"Item": {"PK": {"S": "CONFORMANCE"}, "SK": {"S": "2"}}}}
    aws.call("dynamodb", "BatchWriteItem", RequestItems={TABLE: [put]}, **capacity)
    aws.refuse("dynamodb", "BatchWriteItem", "ResourceNotFoundException", RequestItems={"nobodys": [put]})
    page = aws.call("dynamodb", "Query", TableName=TABLE, Limit=1, **where, **capacity)
    aws.call("dynamodb", "Query", TableName=TABLE, ExclusiveStartKey=page["LastEvaluatedKey"], **where)
    aws.refuse("dynamodb", "Query", "ResourceNotFoundException", **where, **absent)
    aws.call("dynamodb", "Scan", TableName=TABLE, Limit=1, **capacity)
    aws.refuse("dynamodb", "Scan", "ResourceNotFoundException", **absent)
    aws.call("dynamodb", "BatchGetItem", RequestItems={TABLE: {"Keys": [key]}}, **capacity)
    aws.refuse("dynamodb", "BatchGetItem", "ResourceNotFoundException", RequestItems={"nobodys": {"Keys": [key]}})
    get = {"Get": {"TableName": TABLE, "Key": key}}
    aws.call("dynamodb", "TransactGetItems", TransactItems=[get], **capacity)
    other = {"Get": {"TableName": "nobodys", "Key": key}}
    aws.refuse("dynamodb", "TransactGetItems", "ResourceNotFoundException", TransactItems=[other])
    write = {"Put": {"TableName": TABLE, "Item": item}}
    aws.call("dynamodb", "TransactWriteItems", TransactItems=[write], ClientRequestToken="one", **capacity)
    aws.call("dynamodb", "TransactWriteItems", TransactItems=[write], ClientRequestToken="one")
    again = {"Put": {"TableName": TABLE, **new}}
    aws.refuse("dynamodb", "TransactWriteItems", "TransactionCanceledException", TransactItems=[again])
    mismatch = "IdempotentParameterMismatchException"
    aws.refuse("dynamodb", "TransactWriteItems", mismatch, TransactItems=[again], ClientRequestToken="one")
    aws.refuse("dynamodb", "DeleteItem", failed, TableName=TABLE, Key=key, ConditionExpression="attribute_not_exists(PK)")
    aws.call("dynamodb", "DeleteItem", TableName=TABLE, Key=key, ReturnValues="ALL_OLD")
