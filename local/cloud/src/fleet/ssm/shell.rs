//! The shell of a simulated host: it succeeds at everything, and knows `systemctl` well enough to tell the truth about services.

use super::documents::Ran;
use crate::fleet::host::HostState;

/// systemctl's exit code for a service that does not run.
const NOT_RUNNING: i32 = 3;

/// Runs a script's lines. `systemctl is-active|is-enabled|start|stop|enable|disable NAME…` act on the host's services; whatever
/// else stands in the script succeeds. Output is `ok` where nothing was printed. The exit code is that of the last systemctl that failed.
pub(super) fn run(lines: &[String], host: &mut HostState) -> Ran {
    let mut ran = Ran {
        code: 0,
        output: String::new(),
    };
    for line in lines.iter().flat_map(|text| text.lines()) {
        for part in line.split(['|', '&', ';']) {
            let words: Vec<&str> = part.split_whitespace().skip_while(|word| *word == "sudo").collect();
            if let ["systemctl", rest @ ..] = words.as_slice() {
                systemctl(rest, host, &mut ran);
            }
        }
    }
    if ran.output.is_empty() && ran.code == 0 {
        ran.output.push_str("ok\n");
    }
    ran
}

fn systemctl(words: &[&str], host: &mut HostState, ran: &mut Ran) {
    let quiet = words.iter().any(|word| matches!(*word, "-q" | "--quiet"));
    let now = words.contains(&"--now");
    let mut plain = words.iter().filter(|word| !word.starts_with('-'));
    let Some(verb) = plain.next() else { return };
    for name in plain {
        let name = name.trim_matches(['"', '\'']).trim_end_matches(".service");
        let service = host.services.get_mut(name);
        let printed = match (*verb, service) {
            ("is-active", Some(one)) if one.active => "active",
            ("is-active", _) => {
                ran.code = NOT_RUNNING;
                "inactive"
            }
            ("is-enabled", Some(one)) if one.enabled => "enabled",
            ("is-enabled", _) => {
                ran.code = 1;
                "disabled"
            }
            ("start" | "restart", Some(one)) => {
                one.active = true;
                ""
            }
            ("stop", Some(one)) => {
                one.active = false;
                ""
            }
            ("enable", Some(one)) => {
                one.enabled = true;
                one.active |= now;
                ""
            }
            ("disable", Some(one)) => {
                one.enabled = false;
                one.active &= !now;
                ""
            }
            ("start" | "restart" | "stop" | "enable" | "disable", None) => {
                ran.code = 5;
                "Unit not found."
            }
            _ => "",
        };
        if !printed.is_empty() && !quiet {
            ran.output.push_str(printed);
            ran.output.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fleet::host::Service;

    fn host(active: bool) -> HostState {
        let service = Service { enabled: true, active };
        HostState {
            services: BTreeMap::from([("app".to_owned(), service)]),
            markers: BTreeMap::new(),
        }
    }

    #[test]
    fn a_check_of_a_stopped_service_fails() {
        let check = ["set -e\nsystemctl is-active app.service".to_owned()];
        assert_eq!(run(&check, &mut host(true)).code, 0);
        let ran = run(&check, &mut host(false));
        assert_eq!((ran.code, ran.output.as_str()), (NOT_RUNNING, "inactive\n"));
    }

    #[test]
    fn anything_else_succeeds_with_a_short_output() {
        let ran = run(&["curl -fsS http://localhost/".to_owned()], &mut host(true));
        assert_eq!((ran.code, ran.output.as_str()), (0, "ok\n"));
    }

    #[test]
    fn stop_and_disable_reach_the_host() {
        let mut host = host(true);
        run(&["sudo systemctl disable --now app".to_owned()], &mut host);
        assert_eq!(
            host.services["app"],
            Service {
                enabled: false,
                active: false
            }
        );
    }
}
