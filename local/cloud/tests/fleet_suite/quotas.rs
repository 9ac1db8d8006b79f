//! MGN's quotas on jobs, and the class of their refusals.

use landfall_cloud::fleet::{FleetKnobs, QuotaError, SourceServerSpec, UnknownIdError};
use serde_json::json;

use crate::support::{A, Bench};

fn id(number: usize) -> String {
    format!("s-{number:017}")
}

fn bench_of(servers: usize, knobs: FleetKnobs) -> Bench {
    let bench = Bench::new(knobs);
    for number in 0..servers {
        let spec = SourceServerSpec::ready(&id(number), &format!("host-{number}"), "192.168.2.1");
        bench.fleet.add_source_server(spec);
    }
    bench
}

#[tokio::test(start_paused = true)]
async fn the_twenty_first_job_is_refused() {
    let bench = bench_of(21, FleetKnobs::default());
    for number in 0..20 {
        bench.start("StartTest", &[&id(number)]);
    }
    let error = bench.refused("StartTest", json!({"sourceServerIDs": [id(20)]}));
    assert_eq!((error.status, error.code.as_str()), (409, "ConflictException"));
    assert_eq!(bench.fleet.quota_refusals(), 1);
    assert_eq!(bench.fleet.peak_open_jobs(), 20);
    assert_eq!(bench.state(&id(20)), "READY_FOR_TEST");
    bench.sleep(20 * 60).await;
    bench.start("StartTest", &[&id(20)]);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_servers_in_all_open_jobs_are_the_most() {
    for (quota_error, status, code) in [
        (QuotaError::Conflict, 409, "ConflictException"),
        (QuotaError::Validation, 400, "ValidationException"),
        (QuotaError::Quota, 402, "ServiceQuotaExceededException"),
    ] {
        let bench = bench_of(
            201,
            FleetKnobs {
                quota_error,
                ..FleetKnobs::default()
            },
        );
        let first: Vec<String> = (0..150).map(id).collect();
        bench.ok("StartTest", json!({"sourceServerIDs": first}));
        let second: Vec<String> = (150..201).map(id).collect();
        let error = bench.refused("StartTest", json!({"sourceServerIDs": second}));
        assert_eq!((error.status, error.code.as_str()), (status, code));
        let fitting: Vec<String> = (150..200).map(id).collect();
        bench.ok("StartTest", json!({"sourceServerIDs": fitting}));
        assert_eq!(bench.fleet.peak_servers_in_jobs(), 200);
        assert_eq!(bench.fleet.quota_refusals(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn one_to_two_hundred_ids_a_call() {
    let bench = bench_of(201, FleetKnobs::default());
    let all: Vec<String> = (0..201).map(id).collect();
    for ids in [json!([]), json!(all), json!([A, A])] {
        let error = bench.refused("StartTest", json!({"sourceServerIDs": ids}));
        assert_eq!((error.status, error.code.as_str()), (400, "ValidationException"));
    }
    assert!(bench.fleet.jobs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn unknown_ids_are_refused_in_the_class_of_the_knob() {
    for (unknown_id_error, code) in [
        (UnknownIdError::Validation, "ValidationException"),
        (UnknownIdError::NotFound, "ResourceNotFoundException"),
    ] {
        let bench = Bench::new(FleetKnobs {
            unknown_id_error,
            ..FleetKnobs::default()
        });
        let error = bench.refused("StartTest", json!({"sourceServerIDs": [A, id(404)]}));
        assert_eq!(error.code, code);
        assert_eq!(bench.state(A), "READY_FOR_TEST");
    }
}

#[tokio::test(start_paused = true)]
async fn servers_are_described_in_pages() {
    let bench = bench_of(
        5,
        FleetKnobs {
            mgn_page: 3,
            ..FleetKnobs::default()
        },
    );
    let mut seen = Vec::new();
    let mut request = json!({"maxResults": 1000});
    loop {
        let page = bench.ok("DescribeSourceServers", request.clone());
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(|item| item["sourceServerID"].to_string()));
        match page["nextToken"].as_str() {
            Some(token) => request["nextToken"] = token.into(),
            None => break,
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 7);
}
