//! The sentences of JSONata errors. AWS writes them as jsonata-js does; the evaluator here has its own wording for
//! some, so those are said again, as far as its message has what the sentence needs.

/// The message as AWS writes it. `expression` is searched for the function or operator that the evaluator left out.
pub(super) fn reworded(message: &str, expression: &str) -> String {
    let Some((code, text)) = message.split_once(": ") else {
        return message.to_owned();
    };
    let sentence = match code {
        "T0410" | "T0412" => signature(code, text, expression),
        "T1006" => Some("Attempted to invoke a non-function".to_owned()),
        "T2001" => operand("left", text),
        "T2002" => operand("right", text),
        "T2003" => Some("The left side of the range operator (..) must evaluate to an integer".to_owned()),
        "T2004" => Some("The right side of the range operator (..) must evaluate to an integer".to_owned()),
        "T2010" => comparison(expression).map(|operator| {
            format!("The expressions either side of operator \"{operator}\" must evaluate to numeric or string values")
        }),
        "D3001" => Some("Attempting to invoke string function on Infinity or NaN".to_owned()),
        "D3010" => Some("Second argument of replace function cannot be an empty string".to_owned()),
        "D3020" => Some("Third argument of split function must evaluate to a positive number".to_owned()),
        "D3030" => text
            .split('\'')
            .nth(1)
            .map(|value| format!("Unable to cast value to a number: \"{value}\"")),
        "D3100" => text.rsplit(' ').next().map(|radix| {
            format!("The radix of the formatBase function must be between 2 and 36.  It was given {radix}")
        }),
        "D3138" => {
            Some("The $single() function expected exactly 1 matching result.  Instead it matched more.".to_owned())
        }
        _ => None,
    };
    match sentence {
        Some(sentence) => format!("{code}: {sentence}"),
        None => message.to_owned(),
    }
}

/// "The left side of the + operator…": the operator is quoted.
fn operand(side: &str, text: &str) -> Option<String> {
    let operator = text.split(" of the ").nth(1)?.split(' ').next()?.trim_matches('"');
    Some(format!(
        "The {side} side of the \"{operator}\" operator must evaluate to a number"
    ))
}

fn signature(code: &str, text: &str, expression: &str) -> Option<String> {
    // An argument too few is the first one that is missing; of the rest the first does not fit.
    let index = match text.strip_prefix("Argument count mismatch: expected ") {
        Some(counts) => {
            let mut counts = counts.split(", got ").map(|count| count.parse::<usize>().unwrap_or(0));
            let (expected, actual) = (counts.next()?, counts.next()?);
            expected.min(actual) + 1
        }
        None => text.strip_prefix("Argument ")?.split(' ').next()?.parse().ok()?,
    };
    let named = text
        .split("of function ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let function = match named.map(|name| name.trim_matches(['"', '$'])) {
        Some("must" | "does" | "undefined") | None => called(text, expression)?,
        Some(name) => name.to_owned(),
    };
    if code == "T0410" {
        return Some(format!(
            "Argument {index} of function \"{function}\" does not match function signature"
        ));
    }
    let kind = text.rsplit(' ').next()?.to_lowercase();
    Some(format!(
        "Argument {index} of function \"{function}\" must be an array of \"{kind}s\""
    ))
}

/// The function that the expression calls: the only one, or the first that takes what the message asks for.
fn called(text: &str, expression: &str) -> Option<String> {
    let wanted: &[&str] = if text.ends_with("array of Number") {
        &["sum", "max", "min", "average"]
    } else if text.ends_with("array of String") {
        &["join"]
    } else if text.ends_with("array of Object") {
        &["merge"]
    } else if text.ends_with("must be Number") {
        &[
            "abs",
            "floor",
            "ceil",
            "round",
            "sqrt",
            "power",
            "formatNumber",
            "formatBase",
            "formatInteger",
            "fromMillis",
            "pad",
        ]
    } else if text.ends_with("must be Function") {
        &["map", "filter", "reduce", "each", "sift", "single"]
    } else {
        &[]
    };
    let names: Vec<&str> = expression
        .split('$')
        .skip(1)
        .filter_map(|rest| {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            rest[end..].trim_start().starts_with('(').then_some(&rest[..end])
        })
        .filter(|name| !name.is_empty())
        .collect();
    let fitting = names.iter().find(|name| wanted.contains(name));
    fitting.or(names.first()).map(|name| (*name).to_owned())
}

/// The comparison operator, if the expression has one kind only.
fn comparison(expression: &str) -> Option<&'static str> {
    let plain = expression.replace("~>", "");
    let found: Vec<&'static str> = ["<=", ">="]
        .into_iter()
        .filter(|operator| plain.contains(operator))
        .chain(
            ["<", ">"]
                .into_iter()
                .filter(|operator| plain.replace("<=", "").replace(">=", "").contains(operator)),
        )
        .collect();
    match found.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}
