//! What a job's controller may write into its status (pkg/apis/batch/validation/validation.go and the status strategy of
//! pkg/registry/batch/job). Most rules hold only where the fields they look at change, so that a status that was wrong before
//! can still be mended step by step.

use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, Errors};
use super::{indexes, same};

pub(crate) fn update(job: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (now, was) = (Job::of(job), Job::of(old));
    counts(&now, errors);
    uncounted(&now, errors);
    let change = Change {
        now: &now,
        was: &was,
    };
    change.completion(errors);
    change.conditions_agree(errors);
    change.finished(errors);
    change.index_lists(errors);
    change.running(errors);
    now.success(errors);
    change.kept(errors);
}

/// A job with what its conditions say.
struct Job<'a> {
    spec: At<'a>,
    status: At<'a>,
}

impl<'a> Job<'a> {
    fn of(job: &At<'a>) -> Self {
        Job {
            spec: job.get("spec"),
            status: job.get("status"),
        }
    }

    fn is(&self, kind: &str) -> bool {
        self.has(kind, "True")
    }

    fn has(&self, kind: &str, status: &str) -> bool {
        self.status.get("conditions").items().any(|condition| {
            condition.get("type").text() == kind && condition.get("status").text() == status
        })
    }

    fn finished(&self) -> bool {
        self.is("Complete") || self.is("Failed")
    }

    /// A finding about conditions shows no value.
    fn refuse(&self, detail: &str, errors: &mut Errors) {
        errors.invalid_omitted(&self.status.get("conditions"), detail);
    }

    fn success(&self, errors: &mut Errors) {
        let met = self.is("SuccessCriteriaMet");
        if met && self.is("Failed") {
            self.refuse(
                "cannot set SuccessCriteriaMet=True and Failed=true conditions",
                errors,
            );
        }
        if met && self.is("FailureTarget") {
            let detail = "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions";
            self.refuse(detail, errors);
        }
        if self.spec.get("successPolicy").given() && !met && self.is("Complete") {
            let detail = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
            self.refuse(detail, errors);
        }
    }
}

fn counts(job: &Job<'_>, errors: &mut Errors) {
    for field in ["active", "succeeded", "failed", "ready", "terminating"] {
        errors.not_negative(&job.status.get(field));
    }
}

/// Pods that ended and are not counted yet, each once.
fn uncounted(job: &Job<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for list in ["succeeded", "failed"] {
        for uid in job.status.get("uncountedTerminatedPods").get(list).items() {
            if uid.empty() {
                errors.invalid(&uid, "must not be empty");
            } else if !seen.insert(uid.text()) {
                errors.duplicate(&uid);
            }
        }
    }
}

struct Change<'a, 'b> {
    now: &'b Job<'a>,
    was: &'b Job<'a>,
}

impl Change<'_, '_> {
    fn field(&self, name: &str) -> bool {
        !same(
            self.now.status.get(name).value,
            self.was.status.get(name).value,
        )
    }

    fn condition(&self, kind: &str) -> bool {
        self.now.is(kind) != self.was.is(kind)
    }

    fn finish(&self) -> bool {
        self.now.finished() != self.was.finished()
    }

    fn completion(&self, errors: &mut Errors) {
        let (now, complete) = (self.now, self.now.is("Complete"));
        let (start, end) = (
            now.status.get("startTime"),
            now.status.get("completionTime"),
        );
        let turned = self.condition("Complete");
        if (turned || self.condition("Failed")) && complete && now.is("Failed") {
            now.refuse(
                "cannot set Complete=True and Failed=true conditions",
                errors,
            );
        }
        if (turned || self.condition("FailureTarget")) && complete && now.is("FailureTarget") {
            now.refuse(
                "cannot set Complete=True and FailureTarget=true conditions",
                errors,
            );
        }
        if turned || self.field("completionTime") {
            if end.given() && !complete {
                let detail = "cannot set completionTime when there is no Complete=True condition";
                errors.invalid(&end, detail);
            }
            if !end.given() && complete {
                errors.required(&end, "completionTime is required for Complete jobs");
            }
        }
        let moved = self.field("startTime") || self.field("completionTime");
        // Times in UTC and in seconds compare as texts.
        if moved && start.given() && end.given() && end.text() < start.text() {
            errors.invalid(&end, "must be equal to or after `startTime`");
        }
    }

    fn conditions_agree(&self, errors: &mut Errors) {
        let now = self.now;
        let failing = self.condition("Failed") || self.field("failedIndexes");
        if failing && now.is("Failed") && !now.is("FailureTarget") {
            let detail =
                "cannot set Failed=True condition without the FailureTarget=true condition";
            now.refuse(detail, errors);
        }
        let completing = self.condition("Complete") || self.condition("SuccessCriteriaMet");
        if completing && now.is("Complete") && !now.is("SuccessCriteriaMet") {
            let detail =
                "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
            now.refuse(detail, errors);
        }
    }

    fn finished(&self, errors: &mut Errors) {
        let (status, finish) = (&self.now.status, self.finish());
        if !self.now.finished() {
            return;
        }
        let (active, start, pods) = (
            status.get("active"),
            status.get("startTime"),
            status.get("uncountedTerminatedPods"),
        );
        if (finish || self.field("active")) && active.int() > 0 {
            errors.invalid(&active, "active>0 is invalid for finished job");
        }
        let nothing_to_do = self.now.spec.get("suspend").yes()
            && self.now.spec.get("completions").value == &Value::from(0);
        if (finish || self.field("startTime")) && !nothing_to_do && !start.given() {
            errors.required(&start, "startTime is required for finished job");
        }
        let left = pods.get("succeeded").count() + pods.get("failed").count();
        if (finish || self.field("uncountedTerminatedPods")) && left > 0 {
            let shown = super::go_value::internal("batch/v1.UncountedTerminatedPods", pods.value);
            errors.invalid_value(&pods, shown, "must be empty for finished job");
        }
    }

    fn index_lists(&self, errors: &mut Errors) {
        let (spec, status) = (&self.now.spec, &self.now.status);
        let (completed, failed) = (status.get("completedIndexes"), status.get("failedIndexes"));
        let completions = spec.get("completions");
        let limited = spec.get("backoffLimitPerIndex").given();
        let changes = (self.field("completedIndexes"), self.field("failedIndexes"));
        let parse = |at: &At<'_>, errors: &mut Errors| {
            if let Err(problem) = indexes::count(at.text(), completions.int()) {
                let field = at.path.rsplit('.').next().unwrap_or("");
                errors.invalid_value(at, at.text(), format!("error parsing {field}: {problem}"));
            }
        };
        if changes.0 && completions.given() {
            parse(&completed, errors);
        }
        if changes.1 && completions.given() && limited && failed.given() {
            parse(&failed, errors);
        }
        if changes.0 && !completed.empty() && spec.get("completionMode").text() != "Indexed" {
            let detail = "cannot set non-empty completedIndexes when non-indexed completion mode";
            errors.invalid(&completed, detail);
        }
        if changes.1 && !limited && failed.given() {
            let detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
            errors.invalid(&failed, detail);
        }
        if (changes.0 || changes.1) && completions.given() && failed.given() {
            let most = completions.int();
            if let Some(index) = indexes::overlap(completed.text(), failed.text(), most) {
                let detail =
                    format!("failedIndexes and completedIndexes overlap at index: {index}");
                errors.invalid(&failed, detail);
            }
        }
    }

    fn running(&self, errors: &mut Errors) {
        let status = &self.now.status;
        let (ends, ready) = (status.get("terminating"), status.get("ready"));
        if (self.finish() || self.field("terminating")) && ends.int() > 0 && self.now.finished() {
            errors.invalid(&ends, "terminating>0 is invalid for finished job");
        }
        let changed = self.field("ready") || self.field("active");
        if changed && ready.given() && ready.int() > status.get("active").int() {
            errors.invalid(&ready, "cannot set more ready pods than active");
        }
    }

    /// What an update must not take back.
    fn kept(&self, errors: &mut Errors) {
        let (now, was) = (self.now, self.was);
        for kind in ["Failed", "Complete", "FailureTarget"] {
            if was.is(kind) && !now.is(kind) {
                now.refuse(
                    &format!("cannot disable the terminal {kind}=True condition"),
                    errors,
                );
            }
        }
        let scaled = now.spec.get("completionMode").text() == "Indexed"
            && same(
                now.spec.get("completions").value,
                now.spec.get("parallelism").value,
            );
        for (field, bound) in [("failed", true), ("succeeded", !scaled)] {
            let count = now.status.get(field);
            if bound && count.int() < was.status.get(field).int() {
                errors.invalid_int(&count, format!("cannot decrease the {field} counter"));
            }
        }
        let (end, start) = (
            now.status.get("completionTime"),
            now.status.get("startTime"),
        );
        if end.given() && was.status.get("completionTime").given() && self.field("completionTime") {
            errors.invalid(&end, super::formats::IMMUTABLE);
        }
        let resumed = was.has("Suspended", "True") && now.has("Suspended", "False");
        let started = was.status.get("startTime").given() && self.field("startTime");
        if started && !resumed && !now.spec.get("suspend").yes() {
            let detail = "field is immutable for unsuspended job once set";
            errors.invalid_value(&start, start.value.clone(), detail);
        }
        let met = "SuccessCriteriaMet";
        if was.is(met) && !now.is(met) {
            now.refuse(
                "cannot disable the SuccessCriteriaMet=True condition",
                errors,
            );
        }
        if was.is("Complete") && !was.is(met) && now.is(met) {
            let detail =
                "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
            now.refuse(detail, errors);
        }
    }
}
