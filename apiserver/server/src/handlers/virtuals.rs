//! Resources that are computed, never stored: reviews of access and identity, bindings, component statuses.

mod access;

use super::Call;
use super::binding::bind;
use super::params::WriteOptions;
use crate::negotiate::Offer;
use crate::reply::Reply;
use crate::routes::Action;
use crate::service_accounts::Told;
use crate::user::User;
use access::Form;
use serde_json::{Map, Value, json};
use triad_machinery::meta;
use triad_machinery::status::Status;

pub(crate) async fn dispatch(call: &mut Call, action: Action) -> Result<Reply, Status> {
    let plural = call.endpoint.resource.plural.clone();
    match (&*plural, action) {
        ("bindings", Action::Create) => bind(call).await,
        ("selfsubjectreviews", Action::Create) => {
            review(call, |call, mut review| {
                review["metadata"] = json!({"creationTimestamp": crate::clock::Clock.now()});
                review["status"] = json!({"userInfo": user_info(&call.user)});
                Ok(review)
            })
            .await
        }
        ("selfsubjectaccessreviews", Action::Create) => {
            review(call, |call, review| access::answer(call, review, Form::Own)).await
        }
        ("subjectaccessreviews", Action::Create) => {
            review(call, |call, review| access::answer(call, review, Form::Any)).await
        }
        ("localsubjectaccessreviews", Action::Create) => {
            review(call, |call, review| {
                access::answer(call, review, Form::Local)
            })
            .await
        }
        ("selfsubjectrulesreviews", Action::Create) => review(call, rules).await,
        ("tokenreviews", Action::Create) => review(call, token).await,
        ("componentstatuses", Action::List) => components(call),
        ("componentstatuses", Action::Get) => component(call),
        _ => Err(Status::method_not_allowed()),
    }
}

/// Decodes the body, lets `answer` fill in the status, answers 201.
async fn review(
    call: &mut Call,
    answer: impl Fn(&mut Call, Value) -> Result<Value, Status>,
) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Plain)?;
    let options = WriteOptions::parse(&call.query, "CreateOptions", false)?;
    let mut review = call.decode_object(options.validation)?;
    super::create::match_namespace(call, &mut review)?;
    let manager = call.manager(&options.field_manager);
    meta::set(&mut review, "creationTimestamp", "");
    super::create::track(call, None, &mut review, &manager, "");
    let review = answer(call, review)?;
    call.answer(201, review, &accepted)
}

fn user_info(user: &User) -> Value {
    let mut info = Map::new();
    info.insert("username".to_owned(), user.name.as_str().into());
    if !user.uid.is_empty() {
        info.insert("uid".to_owned(), user.uid.as_str().into());
    }
    if !user.groups.is_empty() {
        info.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        info.insert("extra".to_owned(), json!(user.extra));
    }
    Value::Object(info)
}

fn rules(call: &mut Call, mut review: Value) -> Result<Value, Status> {
    let namespace = review
        .pointer("/spec/namespace")
        .and_then(Value::as_str)
        .unwrap_or("")
        .to_owned();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    for rule in call.api.authorizer.rules_of(&call.user, &namespace) {
        if rule.get("nonResourceURLs").is_some() {
            paths.push(rule);
        } else {
            resources.push(rule);
        }
    }
    // Upstream answers with the rules alone.
    review["metadata"] = json!({});
    review["spec"] = json!({});
    review["status"] =
        json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
    Ok(review)
}

fn token(call: &mut Call, mut review: Value) -> Result<Value, Status> {
    let token = review
        .pointer("/spec/token")
        .and_then(Value::as_str)
        .unwrap_or("")
        .to_owned();
    if token.is_empty() {
        return Err(Status::bad_request(
            "token is required for TokenReview in authentication",
        ));
    }
    let audiences: Vec<String> = review
        .pointer("/spec/audiences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let mut told = Told::default();
    let reviewing = call
        .api
        .authenticator
        .review_token(&token, &audiences, &mut told);
    // Other servers may have to be asked.
    let runtime = tokio::runtime::Handle::current();
    let reviewed = tokio::task::block_in_place(|| runtime.block_on(reviewing));
    told.annotate(&call.trail);
    call.warnings.extend(told.warnings);
    review["status"] = match reviewed {
        Ok((user, audiences)) => {
            json!({"authenticated": true, "user": user_info(&user), "audiences": audiences})
        }
        Err(why) => json!({"user": {}, "error": why}),
    };
    Ok(review)
}

const COMPONENTS: [&str; 3] = ["controller-manager", "scheduler", "etcd-0"];
const DEPRECATED: &str = "v1 ComponentStatus is deprecated in v1.19+";

fn component_status(call: &Call, name: &str) -> Value {
    // The store is this server's own; the others are not known here and are not asked.
    let healthy = name == "etcd-0" && call.api.health.store_is_well();
    let condition = if healthy {
        json!({"type": "Healthy", "status": "True", "message": "ok"})
    } else {
        json!({"type": "Healthy", "status": "Unknown", "message": "this server does not ask other components"})
    };
    json!({"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name}, "conditions": [condition]})
}

fn components(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Table)?;
    let objects: Vec<Value> = COMPONENTS
        .iter()
        .map(|name| component_status(call, name))
        .collect();
    if let Some(convert) = &accepted.convert {
        let (list, ty) = super::transform::list(call, objects, json!({}), convert)?;
        return Ok(crate::reply::object(200, &list, ty, &accepted));
    }
    let items: Vec<Value> = objects
        .into_iter()
        .map(|mut object| {
            meta::clear_type(&mut object);
            object
        })
        .collect();
    let list =
        json!({"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": items});
    Ok(crate::reply::object(
        200,
        &list,
        crate::reply::named("core/v1.ComponentStatusList"),
        &accepted,
    ))
}

fn component(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Table)?;
    let name = call.name().to_owned();
    if !COMPONENTS.contains(&name.as_str()) {
        call.warnings.push(DEPRECATED.to_owned());
        return Err(Status::not_found(
            triad_machinery::status::GroupResource {
                group: "",
                resource: "componentstatus",
            },
            &name,
        ));
    }
    let object = component_status(call, &name);
    call.answer(200, object, &accepted)
}
