//! What a reader can rely on when looking at the page.

mod contrast;
mod databases;
mod extremes;
mod markup;
mod samples;
mod time;

use super::render;
use landfall_domain::report::{Report, ServerOutcome, WaveOutcome};
use markup::{count_of, elements, position};

/// The samples that are not hostile, by name.
fn samples() -> Vec<(&'static str, Report)> {
    vec![
        ("completed", samples::completed_program()),
        ("stopped", samples::stopped_program()),
        ("excluded", samples::excluded_server()),
        ("operator", samples::needs_operator()),
        ("progress", samples::in_progress()),
        ("databases", databases::databases()),
        ("frozen", databases::frozen()),
        ("large", extremes::large()),
    ]
}

/// The part of the page before its first wave: what a reader in a hurry sees.
fn top(page: &str) -> &str {
    &page[..position(page, "<section class=\"wave\"")]
}

/// The rows of the server tables, each from its id to the end of the row.
fn server_row<'p>(page: &'p str, id: &str) -> &'p str {
    let named = format!("-{id}\"");
    let row = page
        .split("<tr ")
        .find(|row| row.split('>').next().is_some_and(|tag| tag.contains(&named)))
        .unwrap_or_else(|| panic!("no row for {id}"));
    row.split("</tr>").next().expect("split gives one")
}

#[test]
fn every_server_has_a_row_with_its_name_outcome_and_sentence() {
    for (name, report) in samples() {
        let page = render(&report);
        for server in report.waves.iter().flat_map(|wave| &wave.servers) {
            let row = server_row(&page, server.source_server_id.as_str());
            assert!(row.contains(&server.hostname), "{name}: {}", server.hostname);
            assert!(row.contains(&server.sentence), "{name}: {}", server.sentence);
            assert!(
                row.contains(super::marks::of_server(server.outcome).word),
                "{name}: {:?}",
                server.outcome
            );
            for instance in [&server.test_instance_id, &server.cutover_instance_id]
                .into_iter()
                .flatten()
            {
                assert!(row.contains(instance.as_str()), "{name}: {instance}");
            }
        }
    }
}

#[test]
fn every_wave_is_told_with_its_outcome_and_headline() {
    for (name, report) in samples() {
        let page = render(&report);
        let sections: Vec<&str> = page.split("<section class=\"wave\"").skip(1).collect();
        assert_eq!(sections.len(), report.waves.len(), "{name}");
        for (wave, section) in report.waves.iter().zip(sections) {
            assert!(
                section.contains(super::marks::of_wave(wave.outcome).word),
                "{name}: {}",
                wave.wave_id
            );
            assert!(section.contains(&wave.headline), "{name}: {}", wave.wave_id);
            assert!(section.contains(&wave.way_back.sentence), "{name}: {}", wave.wave_id);
        }
    }
}

#[test]
fn who_must_act_stands_at_the_top_with_what_and_by_when() {
    let page = render(&samples::stopped_program());
    let top = top(&page);
    assert!(position(top, "The operator on call") < position(top, "<h2 id=\"waves\""));
    assert!(top.contains("correct its launch template"));
    assert!(top.contains("Fri 13 Mar 2026, 20:00 UTC"));
    assert!(top.contains("(13 h left)"));
}

#[test]
fn a_deadline_that_passed_is_said_to_have_passed() {
    let page = render(&samples::needs_operator());
    assert!(top(&page).contains("(passed 5 min ago)"));
}

#[test]
fn the_nearest_deadline_comes_first_and_none_comes_last() {
    let mut report = samples::completed_program();
    for (wave, (who, by)) in
        report
            .waves
            .iter_mut()
            .zip([("Dana", None), ("Ravi", Some(900_000)), ("Mina", Some(800_000))])
    {
        wave.next_action = Some(landfall_domain::report::NextAction {
            who: who.into(),
            what: "Approve.".into(),
            by: by.map(samples::at),
        });
    }
    let page = render(&report);
    let order = ["Mina", "Ravi", "Dana"].map(|who| position(&page, who));
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn if_nobody_must_act_the_page_says_so() {
    assert!(top(&render(&samples::completed_program())).contains("Nobody has to act."));
    assert!(!render(&samples::needs_operator()).contains("Nobody has to act."));
}

#[test]
fn the_price_of_a_rollback_stands_at_the_top() {
    let page = render(&samples::needs_operator());
    assert!(top(&page).contains("Loses writes"));
    assert!(top(&page).contains("a rollback loses them"));
    assert!(top(&page).contains("Thu 12 Mar 2026, 20:00 UTC"));
    let page = render(&samples::completed_program());
    assert_eq!(
        count_of(top(&page), "Replication is gone"),
        1,
        "waves with the same way back share a line"
    );
    assert!(
        top(&page).contains("the first of them"),
        "the earliest end of several is said to be that"
    );
}

#[test]
fn a_server_that_is_down_is_named_before_anything_else_with_how_long() {
    let page = render(&samples::in_progress());
    let top = top(&page);
    let alarm = position(top, "3 servers are down now");
    assert!(alarm < position(top, "Who must act next"));
    assert!(top.contains("for 14 min 4 s"));
    assert!(!render(&samples::completed_program()).contains("down now"));
}

#[test]
fn downtime_is_listed_from_the_longest_and_counts_on_while_a_server_is_down() {
    let page = render(&samples::needs_operator());
    let list = &page[position(&page, "<h3>Downtime</h3>")..];
    let names = ["db-02", "files-02", "batch-02", "app-02", "web-02"].map(|name| position(list, name));
    assert!(names.is_sorted(), "{names:?}");
    assert!(list.contains("1 h 6 min<strong> so far</strong>"));
}

#[test]
fn what_could_not_be_undone_is_listed_and_counted_at_the_top() {
    let page = render(&samples::needs_operator());
    assert!(page.contains("could not be terminated (UnauthorizedOperation)"));
    assert!(page.contains("start postgresql on the source by hand"));
    assert!(top(&page).contains("href=\"#wave-wave-2-undo\">2</a>"));
    assert!(!render(&samples::stopped_program()).contains("Could not be undone"));
}

#[test]
fn dns_is_shown_before_and_after_and_a_held_set_comes_first() {
    let page = render(&samples::needs_operator());
    let dns = &page[position(&page, "DNS before and after")..];
    assert!(position(dns, "db-02.corp.example.com.") < position(dns, "web-02.corp.example.com."));
    assert!(dns.contains("10.0.1.18 ttl 300"));
    assert!(dns.contains("somebody changed it at 22:51"));
}

#[test]
fn decisions_are_shown_with_person_moment_and_reason_and_open_ones_as_waiting() {
    let page = render(&samples::in_progress());
    let approvals = &page[position(&page, "<h3>Approvals</h3>")..position(&page, "<h3>What still runs")];
    for fact in [
        "MigrationApprover/m.okafor",
        "9 Mar 21:30:00",
        "Change CHG-20418",
        "Approved",
        "Waiting",
    ] {
        assert!(approvals.contains(fact), "{fact}");
    }
}

#[test]
fn waivers_running_things_and_the_audit_trail_are_on_the_page() {
    let page = render(&samples::excluded_server());
    assert!(page.contains("A server is tested before it is cut over"));
    assert!(page.contains("compared by checksum"));
    let page = render(&samples::stopped_program());
    assert!(page.contains("snap-0a1b2c3d4e5f60718"));
    assert!(page.contains("delete it when the failure is understood"));
    assert!(page.contains("changed the record sets; INSYNC and read back"));
}

#[test]
fn nothing_that_is_folded_is_open_at_first() {
    let page = render(&extremes::large());
    let folds: Vec<_> = elements(&page)
        .into_iter()
        .filter(|element| element.name == "details")
        .collect();
    assert!(folds.len() > 200);
    assert!(folds.iter().all(|fold| fold.attribute("open").is_none()));
}

#[test]
fn a_failed_check_is_counted_and_its_detail_can_be_unfolded() {
    let page = render(&samples::excluded_server());
    let row = server_row(&page, samples::server_id(3).as_str());
    assert!(row.contains("1 failed"));
    let fold = &row[position(row, "<details class=\"checks\"")..];
    assert!(fold.contains("connection refused after 60 s"));
}

#[test]
fn in_a_large_wave_the_server_that_needs_a_look_is_not_folded() {
    let page = render(&extremes::large());
    let servers = &page[position(&page, "<h3>Servers</h3>")..position(&page, "<h3>Downtime</h3>")];
    let fold = position(servers, "<details class=\"rest\"");
    assert!(position(servers, samples::server_id(17).as_str()) < fold);
    assert!(position(servers, samples::server_id(16).as_str()) > fold);
    assert!(servers.contains("199 more servers: 199 finalized"));
    let timeline = &page[position(&page, "<figure")..position(&page, "</figure>")];
    assert!(timeline.contains("1 held in batch 1"));
    assert!(count_of(timeline, "<li>") < 20, "servers that stand alike share a line");
}

#[test]
fn the_page_of_a_large_wave_stays_under_a_megabyte() {
    assert!(render(&extremes::large()).len() < 1_000_000);
}

#[test]
fn the_timeline_marks_what_happened_and_nothing_else() {
    let page = render(&samples::stopped_program());
    let second = page.split("<section class=\"wave\"").nth(2).expect("wave-2");
    let lines = &second[position(second, "<ol class=\"lines\">")..position(second, "</figure>")];
    for (mark, number) in [
        ("tested", 5),
        ("quiesced", 5),
        ("restarted", 5),
        ("launched", 0),
        ("switched", 0),
        ("finalized", 0),
    ] {
        assert_eq!(count_of(lines, &format!("href=\"#m-{mark}\"")), number, "{mark}");
    }
    assert_eq!(count_of(lines, "class=\"down\""), 5);
    assert_eq!(count_of(lines, "class=\"aws\""), 0);
    assert!(lines.contains("aria-label=\"db-02: tested 10 Mar 20:41:10, quiesced 10 Mar 22:30:16, source restarted"));
}

#[test]
fn states_differ_in_shape_and_word_and_not_only_in_colour() {
    use super::marks::{of_database, of_server, of_wave};
    use ServerOutcome as S;
    use WaveOutcome as W;
    use landfall_domain::report::DatabaseOutcome as D;
    let waves = [
        W::NotStarted,
        W::InProgress,
        W::Completed,
        W::RolledBack,
        W::NeedsOperator,
    ]
    .map(of_wave);
    let servers = [
        S::Waiting,
        S::Testing,
        S::Tested,
        S::Excluded,
        S::CuttingOver,
        S::Switched,
        S::Finalized,
        S::RolledBack,
        S::Held,
    ]
    .map(of_server);
    let databases = [
        D::Waiting,
        D::Loading,
        D::Replicating,
        D::CuttingOver,
        D::Switched,
        D::Finalized,
        D::TakenBack,
        D::RolledBack,
        D::Held,
    ]
    .map(of_database);
    for signs in [&waves[..], &servers[..], &databases[..]] {
        for (index, sign) in signs.iter().enumerate() {
            assert!(
                signs[..index]
                    .iter()
                    .all(|other| other.icon != sign.icon && other.word != sign.word),
                "{sign:?}"
            );
        }
    }
}

#[test]
fn a_report_with_nothing_in_it_is_still_a_page() {
    let mut report = samples::in_progress();
    let wave = &mut report.waves[0];
    (
        wave.phases,
        wave.servers,
        wave.dns,
        wave.approvals,
        wave.running,
        wave.log,
    ) = Default::default();
    wave.next_action = None;
    (wave.started_at, wave.description) = (None, None);
    assert!(render(&report).contains("wave-1"));
    report.waves.clear();
    assert!(render(&report).contains("Nobody has to act."));
}
