//! The runner.
fn main() {
    let name = std::env::args().nth(1).unwrap_or_else(|| "demo".into());
    let scenario = runner::scenarios::find(&name).unwrap();
    let began = std::time::Instant::now();
    let quiet = std::env::args().nth(2).is_some();
    let ended = runner::world::simulate(scenario.run(1, |world, _| {
        if !quiet {
            world.listen(std::sync::Arc::new(|at, notice| println!("{at:.0} {notice:?}")));
        }
    }))
    .unwrap();
    for i in ended.world.invocations() {
        if let Some(f) = i.failure {
            println!(
                "FAIL {} {} {} {}",
                i.began_at, i.function, f.error_type, f.error_message
            );
        }
    }
    for e in &ended.evidence.executions {
        println!(
            "{} {:?} {:?} {:?} {:?}",
            e.execution_arn,
            e.status,
            e.error,
            e.cause,
            e.output
                .as_ref()
                .map(|o| o.to_string().chars().take(300).collect::<String>())
        );
    }
    for f in &ended.failures {
        println!("VIOLATED {f}");
    }
    println!(
        "real {:?} calls {} transitions {}",
        began.elapsed(),
        ended.evidence.calls.len(),
        ended.world.engine().state_transitions()
    );
}
