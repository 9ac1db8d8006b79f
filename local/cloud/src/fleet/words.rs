//! AWS's own words as types: every enumeration the simulated services print or read, spelled once.

/// Makes an enum whose variants are AWS's strings, with `as_str`, `parse` and `Display`.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = concat!("AWS's `", $text, "`.")] $variant,)+
        }

        impl $name {
            /// The word as AWS spells it.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }

            /// The variant of AWS's word, if there is one.
            pub fn parse(word: &str) -> Option<$name> {
                match word { $($text => Some($name::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// `lifeCycle.state` of a source server.
    LifeCycleState {
        Stopped = "STOPPED",
        NotReady = "NOT_READY",
        ReadyForTest = "READY_FOR_TEST",
        Testing = "TESTING",
        ReadyForCutover = "READY_FOR_CUTOVER",
        CuttingOver = "CUTTING_OVER",
        Cutover = "CUTOVER",
        Disconnected = "DISCONNECTED",
        Discovered = "DISCOVERED",
        PendingInstallation = "PENDING_INSTALLATION",
    }
}

words! {
    /// `dataReplicationInfo.dataReplicationState`.
    ReplicationState {
        Stopped = "STOPPED",
        Initiating = "INITIATING",
        InitialSync = "INITIAL_SYNC",
        Backlog = "BACKLOG",
        CreatingSnapshot = "CREATING_SNAPSHOT",
        Continuous = "CONTINUOUS",
        Paused = "PAUSED",
        Rescan = "RESCAN",
        Stalled = "STALLED",
        Disconnected = "DISCONNECTED",
        PendingSnapshotShipping = "PENDING_SNAPSHOT_SHIPPING",
        ShippingSnapshot = "SHIPPING_SNAPSHOT",
    }
}

words! {
    /// `job.status`. There is no failed and no cancelled status.
    JobStatus { Pending = "PENDING", Started = "STARTED", Completed = "COMPLETED" }
}

words! {
    /// `job.type`.
    JobType { Launch = "LAUNCH", Terminate = "TERMINATE" }
}

words! {
    /// `job.initiatedBy`. DIAGNOSTIC is AWS Support's own.
    InitiatedBy {
        StartTest = "START_TEST",
        StartCutover = "START_CUTOVER",
        Diagnostic = "DIAGNOSTIC",
        Terminate = "TERMINATE",
    }
}

words! {
    /// `participatingServers[].launchStatus`.
    LaunchStatus {
        Pending = "PENDING",
        InProgress = "IN_PROGRESS",
        Launched = "LAUNCHED",
        Failed = "FAILED",
        Terminated = "TERMINATED",
    }
}

words! {
    /// What an instance was launched for.
    Purpose { Test = "TEST", Cutover = "CUTOVER" }
}

words! {
    /// EC2's `instanceState.name`.
    InstanceState {
        Pending = "pending",
        Running = "running",
        ShuttingDown = "shutting-down",
        Terminated = "terminated",
        Stopping = "stopping",
        Stopped = "stopped",
    }
}

words! {
    /// The two checks that EC2 runs on an instance.
    StatusCheck { Instance = "instanceStatus", System = "systemStatus" }
}

words! {
    /// Which host of a source server something happens on: itself, or an instance launched from it.
    HostKind { Source = "source", Test = "test", Cutover = "cutover" }
}

impl InstanceState {
    /// EC2's number beside the name.
    pub fn code(self) -> u16 {
        match self {
            InstanceState::Pending => 0,
            InstanceState::Running => 16,
            InstanceState::ShuttingDown => 32,
            InstanceState::Terminated => 48,
            InstanceState::Stopping => 64,
            InstanceState::Stopped => 80,
        }
    }
}

impl From<Purpose> for HostKind {
    fn from(purpose: Purpose) -> HostKind {
        match purpose {
            Purpose::Test => HostKind::Test,
            Purpose::Cutover => HostKind::Cutover,
        }
    }
}
