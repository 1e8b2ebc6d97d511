//! Takes the descriptions of all API types from k8s-openapi's schemas and writes them, compressed, for src/lib.rs to embed.
//!
//! The table is text: a line `TYPE<tab>DESCRIPTION` for each definition (io.k8s.api.core.v1.Pod), then a line
//! `<tab>FIELD<tab>DESCRIPTION` for each of its fields; backslash, tab and newline are escaped by a backslash.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use k8s_openapi::schemars::generate::SchemaSettings;
use k8s_openapi::schemars::{JsonSchema, SchemaGenerator};
use real_json::Value;

const WATCH_EVENT: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent";

/// Asks for the schema of each type; whatever these refer to comes along.
macro_rules! add {
    ($generator:expr, $($module:path { $($ty:ident)* })*) => { $( {
        use $module as types;
        $( add::<types::$ty>($generator); )*
    } )* };
}

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut generator = SchemaSettings::draft07().into_generator();
    add_groups(&mut generator);
    add_shared(&mut generator);
    let definitions: BTreeMap<_, _> = generator.take_definitions(true).into_iter().collect();
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    let file = File::create(Path::new(&out).join("descriptions.gz"))?;
    let mut out = GzEncoder::new(file, Compression::best());
    for (name, schema) in &definitions {
        write_type(&mut out, name, schema)?;
    }
    out.finish()?.flush()
}

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

fn add_groups(generator: &mut SchemaGenerator) {
    use k8s_openapi::api;
    add! { generator,
        api::admissionregistration::v1 { MutatingAdmissionPolicy MutatingAdmissionPolicyBinding MutatingWebhookConfiguration
            ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration }
        api::admissionregistration::v1alpha1 { MutatingAdmissionPolicy MutatingAdmissionPolicyBinding }
        api::admissionregistration::v1beta1 { MutatingAdmissionPolicy MutatingAdmissionPolicyBinding }
        api::apiserverinternal::v1alpha1 { StorageVersion }
        api::apps::v1 { ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet }
        api::authentication::v1 { SelfSubjectReview TokenRequest TokenReview }
        api::authorization::v1 { LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview }
        api::autoscaling::v1 { HorizontalPodAutoscaler Scale }
        api::autoscaling::v2 { HorizontalPodAutoscaler }
        api::batch::v1 { CronJob Job }
        api::certificates::v1 { CertificateSigningRequest ClusterTrustBundle PodCertificateRequest }
        api::certificates::v1beta1 { ClusterTrustBundle PodCertificateRequest }
        api::coordination::v1 { Lease }
        api::coordination::v1alpha2 { LeaseCandidate }
        api::coordination::v1beta1 { LeaseCandidate }
        api::core::v1 { Binding ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim
            Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount }
        api::discovery::v1 { EndpointSlice }
        api::events::v1 { Event }
        api::flowcontrol::v1 { FlowSchema PriorityLevelConfiguration }
        api::lifecycle::v1alpha1 { Eviction EvictionRequest }
        api::networking::v1 { IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR }
        api::node::v1 { RuntimeClass }
        api::policy::v1 { Eviction PodDisruptionBudget }
        api::rbac::v1 { ClusterRole ClusterRoleBinding Role RoleBinding }
        api::resource::v1 { DeviceClass DeviceTaintRule ResourceClaim ResourceClaimTemplate ResourceSlice }
        api::resource::v1alpha3 { DeviceTaintRule ResourcePoolStatusRequest }
        api::resource::v1beta1 { DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice }
        api::resource::v1beta2 { DeviceClass DeviceTaintRule ResourceClaim ResourceClaimTemplate ResourceSlice }
        api::scheduling::v1 { PriorityClass }
        api::scheduling::v1alpha3 { CompositePodGroup PodGroup Workload }
        api::scheduling::v1beta1 { PodGroup Workload }
        api::storage::v1 { CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment VolumeAttributesClass }
        api::storagemigration::v1 { StorageVersionMigration }
        api::storagemigration::v1beta1 { StorageVersionMigration }
    }
}

fn add_shared(generator: &mut SchemaGenerator) {
    add! { generator,
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 { CustomResourceDefinition }
        k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 { APIService }
        k8s_openapi::apimachinery::pkg::apis::meta::v1 { APIGroup APIGroupList APIResourceList APIVersions DeleteOptions GroupResource
            LabelSelector MicroTime Patch Status }
        k8s_openapi::apimachinery::pkg::runtime { RawExtension }
        k8s_openapi::apimachinery::pkg::version { Info }
    }
    add::<
        k8s_openapi::apimachinery::pkg::apis::meta::v1::WatchEvent<k8s_openapi::api::core::v1::Pod>,
    >(generator);
}

fn write_type(out: &mut impl Write, name: &str, schema: &Value) -> io::Result<()> {
    if name == WATCH_EVENT {
        return write_watch_event(out, &description(schema));
    }
    writeln!(out, "{name}\t{}", description(schema))?;
    let properties = schema.get("properties").and_then(Value::as_object);
    for (field, schema) in properties.into_iter().flatten() {
        let text = description(schema);
        if !text.is_empty() {
            writeln!(out, "\t{field}\t{text}")?;
        }
    }
    Ok(())
}

/// Only here the description of a field, `object`, stands below that of its type.
fn write_watch_event(out: &mut impl Write, text: &str) -> io::Result<()> {
    let (ty, object) = text.split_once("\\n\\n").unwrap_or((text, ""));
    writeln!(out, "{WATCH_EVENT}\t{ty}")?;
    writeln!(out, "\tobject\t{}", object.trim_end_matches("\\n"))
}

/// The description, escaped.
fn description(schema: &Value) -> String {
    let text = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or("");
    text.replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
}
