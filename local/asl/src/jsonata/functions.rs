//! `$partition`, `$range`, `$hash`, `$random`, `$uuid`, `$parse`, and the clock functions, which must
//! follow the engine's clock and seed to make a run repeatable.

use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use std::sync::{Arc, Mutex};

/// Most elements `$range` makes. AWS bounds an evaluation's memory instead; this keeps a mistake small.
const RANGE_ELEMENTS_MAX: usize = 100_000;

type Answer = Result<JValue, EvaluatorError>;

/// Makes the functions known to `evaluator`. `now_ms` is milliseconds since the epoch.
pub(super) fn register(evaluator: &mut Evaluator, random: &Arc<Mutex<fastrand::Rng>>, now_ms: i64) {
    let uuid_random = random.clone();
    let number_random = random.clone();
    let registered = [
        evaluator.register_fn("partition", partition),
        evaluator.register_fn("range", range),
        evaluator.register_fn("hash", hash),
        evaluator.register_fn("parse", parse),
        evaluator.register_fn("uuid", move |_: &[JValue]| Ok(JValue::from(uuid(&uuid_random)))),
        evaluator.register_fn_override("random", move |args: &[JValue]| random_number(args, &number_random)),
        evaluator.register_fn_override("millis", move |_: &[JValue]| Ok(JValue::from_f64(now_ms as f64))),
        evaluator.register_fn_override("eval", |_: &[JValue]| {
            // AWS leaves $eval out of its JSONata.
            Err(EvaluatorError::TypeError(
                "T1006: Attempted to invoke a non-function".to_owned(),
            ))
        }),
        evaluator.register_fn_override("now", move |args: &[JValue]| now(args, now_ms)),
    ];
    debug_assert!(
        registered.iter().all(Result::is_ok),
        "a function could not be registered"
    );
}

/// A version 4 UUID drawn from the engine's seed.
pub(crate) fn uuid(random: &Arc<Mutex<fastrand::Rng>>) -> String {
    let mut random = random.lock().expect("random source poisoned");
    let high = (random.u64(..) & !0xf000) | 0x4000;
    let low = (random.u64(..) & !(0b11 << 62)) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

fn mismatch(function: &str, argument: usize) -> EvaluatorError {
    EvaluatorError::TypeError(format!(
        "T0410: Argument {argument} of function \"{function}\" does not match function signature"
    ))
}

fn number(args: &[JValue], index: usize, function: &str) -> Result<f64, EvaluatorError> {
    args.get(index)
        .and_then(JValue::as_f64)
        .ok_or_else(|| mismatch(function, index + 1))
}

fn partition(args: &[JValue]) -> Answer {
    let Some(array) = args.first() else {
        return Err(mismatch("partition", 1));
    };
    if array.is_undefined() {
        return Ok(JValue::Undefined);
    }
    let size = number(args, 1, "partition")?;
    if size < 1.0 {
        return Err(mismatch("partition", 2));
    }
    // JSONata hands a single value where an array of one was meant.
    let items = array.as_array().cloned().unwrap_or_else(|| vec![array.clone()]);
    let chunks = items.chunks(size as usize).map(|chunk| JValue::array(chunk.to_vec()));
    Ok(JValue::array(chunks.collect()))
}

fn range(args: &[JValue]) -> Answer {
    if args.iter().any(JValue::is_undefined) {
        return Ok(JValue::Undefined);
    }
    let first = number(args, 0, "range")?;
    let last = number(args, 1, "range")?;
    let step = number(args, 2, "range")?;
    if step == 0.0 {
        return Err(mismatch("range", 3));
    }
    let count = ((last - first) / step).floor();
    if count < 0.0 {
        return Ok(JValue::array(Vec::new()));
    }
    if count >= RANGE_ELEMENTS_MAX as f64 {
        return Err(EvaluatorError::EvaluationError(format!(
            "$range would make more than {RANGE_ELEMENTS_MAX} elements"
        )));
    }
    let items = (0..=count as usize).map(|index| JValue::from_f64(first + step * index as f64));
    Ok(JValue::array(items.collect()))
}

fn hash(args: &[JValue]) -> Answer {
    if args.first().is_some_and(JValue::is_undefined) {
        return Ok(JValue::Undefined);
    }
    let data = args
        .first()
        .and_then(JValue::as_str)
        .ok_or_else(|| mismatch("hash", 1))?;
    let algorithm = match args.get(1) {
        None => "SHA-256",
        Some(name) => name.as_str().ok_or_else(|| mismatch("hash", 2))?,
    };
    let digest = digest(algorithm, data.as_bytes()).ok_or_else(|| {
        EvaluatorError::EvaluationError(format!(
            "$hash knows MD5, SHA-1, SHA-256, SHA-384 and SHA-512, not {algorithm}"
        ))
    })?;
    Ok(JValue::from(
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
    ))
}

fn digest(algorithm: &str, data: &[u8]) -> Option<Vec<u8>> {
    use sha2::Digest;
    Some(match algorithm {
        "MD5" => md5::Md5::digest(data).to_vec(),
        "SHA-1" => sha1::Sha1::digest(data).to_vec(),
        "SHA-256" => sha2::Sha256::digest(data).to_vec(),
        "SHA-384" => sha2::Sha384::digest(data).to_vec(),
        "SHA-512" => sha2::Sha512::digest(data).to_vec(),
        _ => return None,
    })
}

fn random_number(args: &[JValue], random: &Arc<Mutex<fastrand::Rng>>) -> Answer {
    match args.first() {
        None => Ok(JValue::from_f64(random.lock().expect("random source poisoned").f64())),
        Some(seed) => {
            let seed = seed.as_f64().ok_or_else(|| mismatch("random", 1))?;
            Ok(JValue::from_f64(seeded(seed as i64)))
        }
    }
}

/// The first number that Java's generator draws from a seed: AWS's `$random` is that generator.
fn seeded(seed: i64) -> f64 {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let step = |state: u64| state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
    let first = step((seed as u64 ^ MULTIPLIER) & MASK);
    let second = step(first);
    let bits = ((first >> 22) << 27) + (second >> 21);
    bits as f64 / (1_u64 << 53) as f64
}

fn parse(args: &[JValue]) -> Answer {
    let Some(argument) = args.first() else {
        return Err(mismatch("parse", 1));
    };
    if argument.is_undefined() {
        return Ok(JValue::Undefined);
    }
    let text = argument.as_str().ok_or_else(|| mismatch("parse", 1))?;
    JValue::from_json_str(text)
        .map_err(|error| EvaluatorError::EvaluationError(format!("$parse was given text that is not JSON: {error}")))
}

fn now(args: &[JValue], now_ms: i64) -> Answer {
    if args.is_empty() {
        let now = jiff::Timestamp::from_millisecond(now_ms)
            .map_err(|error| EvaluatorError::EvaluationError(error.to_string()))?;
        return Ok(JValue::from(format!("{now:.3}")));
    }
    // A picture and a time zone mean what they mean to $fromMillis.
    let mut context = Context::new();
    context.bind("ms".to_owned(), JValue::from_f64(now_ms as f64));
    let mut call = "$fromMillis($ms".to_owned();
    for (index, argument) in args.iter().enumerate() {
        context.bind(format!("a{index}"), argument.clone());
        call.push_str(&format!(", $a{index}"));
    }
    call.push(')');
    let ast = parser::parse(&call).map_err(|error| EvaluatorError::EvaluationError(error.to_string()))?;
    Evaluator::with_context(context).evaluate(&ast, &JValue::Undefined)
}
