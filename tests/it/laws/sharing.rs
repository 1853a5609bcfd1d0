//! What is made once for many hosts is what each of them would get alone.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::test_runner::TestCaseError;
use trueup::resolve::{Desired, Resolver, Survey};

use super::memory::{Files, errors, facts, rendered, runner};
use super::texts::project;

/// Random projects that are tried.
const CASES: u32 = 96;

/// What a host should be, as far as it can be compared.
fn desired(resolver: &Resolver, host: usize) -> Result<Desired, Vec<String>> {
    let facts = facts(&resolver.targets[host].host.name);
    resolver.desired(host, &facts).map_err(|found| errors(&found))
}

/// Whether two hosts' states are one, resource by resource.
fn same(one: &Desired, other: &Desired) -> Result<(), String> {
    let names = |desired: &Desired| -> Vec<String> {
        desired.resources.iter().map(|instance| instance.address.to_string()).collect()
    };
    if names(one) != names(other) {
        return Err(format!("{:?} and {:?}", names(one), names(other)));
    }
    let beside = |desired: &Desired| -> Option<Vec<String>> {
        let all = desired.beside.as_ref()?.iter();
        Some(all.map(|instance| instance.address.to_string()).collect())
    };
    if (&one.left_out, beside(one), one.sets.len())
        != (&other.left_out, beside(other), other.sets.len())
    {
        return Err("what stands beside them".to_owned());
    }
    for (one, other) in one.resources.iter().zip(&other.resources) {
        if !one.kind.same(&one.desired, &other.desired)
            || (one.sensitive, one.timeout, one.retries, &one.tags)
                != (other.sensitive, other.timeout, other.retries, &other.tags)
        {
            return Err(one.address.to_string());
        }
    }
    Ok(())
}

/// What is kept of a host while mistakes are looked for, if it is; the run goes on with it.
pub(super) fn surveyed(resolver: &Resolver, host: usize) -> Option<Desired> {
    let mut survey = Survey::default();
    let whole = survey.add(resolver, host)?;
    survey.keep(host, whole);
    survey.take(host)
}

/// Every host of one resolver, forwards and backwards, beside a fresh resolver for each host.
pub(super) fn shared_is_alone(files: &Files) -> Result<(), String> {
    let (together, mistakes) = files.resolver(&BTreeMap::new());
    if !mistakes.is_empty() {
        return Err(format!("the project has mistakes: {mistakes:?}\n{files}"));
    }
    let hosts = 0..together.targets.len();
    let alone: Vec<Resolver> = hosts.clone().map(|_| files.resolver(&BTreeMap::new()).0).collect();
    for host in hosts.clone().chain(hosts.rev()) {
        let alone = &alone[host];
        let name = &together.targets[host].host.name;
        let facts = facts(name);
        let (one, other) = (desired(&together, host), desired(alone, host));
        let (one_text, other_text) =
            (rendered(&together, host, &facts), rendered(alone, host, &facts));
        let differ = match (&one, &other) {
            (Ok(one), Ok(other)) => same(one, other).err(),
            (Err(one), Err(other)) if one == other => None,
            (one, other) => {
                Some(format!("{:?} and {:?}", one.as_ref().err(), other.as_ref().err()))
            }
        };
        if let Some(differ) = differ {
            return Err(format!("{name}: {differ}: alone {other_text:#?}\n{files}"));
        }
        if one_text != other_text {
            return Err(format!("{name}: {one_text:#?}\nalone {other_text:#?}\n{files}"));
        }
        if let Some(kept) = surveyed(&together, host) {
            let differ =
                other.map_or_else(|why| Some(why.join("\n")), |other| same(&kept, &other).err());
            if let Some(differ) = differ {
                return Err(format!("{name}: what the survey keeps: {differ}\n{files}"));
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_kept_for_the_run_is_made_where_no_fact_and_no_mistake_is() {
    let kept = |text| {
        let resolver = template(text).right();
        (0..resolver.targets.len()).filter(|host| surveyed(&resolver, *host).is_some()).count()
    };
    assert_eq!(kept("{{ host.name }}{{ vars.own }}"), 4);
    assert_eq!(kept("{{ facts.cpus }}"), 0);
    assert_eq!(kept("{{ vars.own * 2 }}"), 0, "a text is no number");
}

/// Hosts that agree on `same` and on nothing else.
pub(super) const INVENTORY: &str = "[vars]\nsame = \"s\"\nlist = [\"l\"]\n\
    [groups.web]\nhosts = [\"h0\", \"h1\", \"h2\", \"h3\"]\n\
    [hosts.h0]\nvars = { own = \"a\", n = 1, t = { x = \"0\", l = [\"p\"] } }\n\
    [hosts.h1]\nvars = { own = \"b\", n = 2, t = { x = \"1\", l = [\"q\"] } }\n\
    [hosts.h2]\nvars = { own = \"c\", n = 3, t = { x = \"0\", l = [\"p\", \"q\"] } }\n\
    [hosts.h3]\nvars = { own = \"a\", n = 1, t = { x = \"1\", l = [] } }\n";

/// One text as a template file.
fn template(text: &str) -> Files {
    let module = "[file.\"/a\"]\ntemplate = \"a\"\n";
    Files::one_stage(INVENTORY, module).with("modules/m/templates/a", text)
}

#[test]
fn every_form_of_a_text_shows_what_it_depends_on() {
    let texts = [
        "{{ vars.same }}{{ 1 < vars.n }}{{ 2 < vars.n }}",
        "{{ vars.same }}{{ [1, ...vars.t.l] }}",
        "{{ vars.same }}{{ {\"a\": 1, ...vars.t} }}",
        "{% for vars in [1] %}{% endfor %}{{ vars.own }}",
        "{{ vars.same }}{% for vars in [1] %}{% endfor %}{{ vars.own }}",
        "{{ host.groups }}{% if vars.same == 'no' %}{% set host = 1 %}{% endif %}{{ host.name }}",
        "{{ vars.same }}{{ [vars for vars in [1]] }}{{ vars.own }}",
        "{{ vars.same }}{%- raw -%}{{ \" {%- endraw -%}{{ vars.own }}",
        "{{ vars.same }}{% raw -%}{{ \" {%- endraw %}{{ vars.own }}",
        "{{ vars.same }}{% set vars2 = vars %}{{ vars2.own }}",
        "{% filter upper %}{{ vars.own }}{% endfilter %}",
        "{% block title %}{{ vars.own }}{% endblock %}",
        "{% block title %}{{ vars.own }}{% endblock title %}",
        "{{ vars.list[vars.n:vars.n] }}{{ vars.list[0:vars.n] }}",
        "{{ vars.same }}{% set x = [vars][0] %}{{ x.own }}",
        "{{ vars.same }}{% component c(vars) %}{{ vars }}{% endcomponent %}{{ <c vars=\"1\" /> }}{{ vars.own }}",
        "{% component c(x) %}{{ x }}{% endcomponent %}{{ vars.same }}{{ <c x={vars.own} /> }}",
        "{{ vars.same }}{{ vars | get(key='own') }}",
        "{% for k, v in vars %}{{ k }}{{ v }}{% endfor %}",
        "{{ vars.same }}{{ 1 if 2 <vars.n else 3 }}",
        "{{ vars.same }}{# {{ #}{{ vars.own }}{# }} #}",
        "{{ vars.same }}{{ `{{` }}{{ vars.own }}",
        "{{ vars.same }}{{ '\\'' }}{{ vars.own }}{{ '\\'' }}",
        "{{ vars.same }}{% set x %}{{ vars.own }}{% endset %}{{ x }}",
        "{{ vars.same }}{{ vars.t.x is starting_with(pat=vars.t.x) }}{{ '0' is containing(pat=vars.t.x) }}",
        "{{ vars.same }}{{ not vars.n is divisible_by(divisor=vars.n) }}",
        "{{ vars.same }}{{ vars\n.own }}",
        "{{ vars.same }}{{ 1.0 if vars.n > 1 else vars.own }}",
        "{{ vars.same }}{{ [1, ...vars.t.l if vars.n > 1 else []] }}",
        "{{ [host.vars.n for host in hosts(group='web')] }}{{ host.name }}",
        "{#} {{ \" #}{{ vars.same }}{{ vars.own }}{# #}",
        "{{ vars.same }}{% raw %}{% endrawx %}{{ \" {% endraw %}{{ vars.own }}",
        "{{ vars.same }}{{ vars.same <vars.own }}{{ 'b' < vars.own }}{{ (vars.n) < vars.n - 1 }}",
        "{{ vars.same }}{% if vars.t.x == '0' %}{{ facts.os.id }}{% else %}{{ facts.cpus }}{% endif %}",
    ];
    let mut wrong = Vec::new();
    for text in texts {
        if let Err(why) = shared_is_alone(&template(text)) {
            wrong.push(format!("{text}\n    {}", why.lines().next().unwrap_or_default()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_is_shared_is_what_a_host_gets_alone() {
    let whole = Cell::new(0);
    runner(CASES)
        .run(&project(), |files| {
            let (resolver, mistakes) = files.resolver(&BTreeMap::new());
            // tera has bounds of its own, such as on lists in lists.
            if !mistakes.is_empty() || desired(&resolver, 0).is_err() {
                return Ok(());
            }
            whole.set(whole.get() + 1);
            shared_is_alone(&files).map_err(TestCaseError::fail)
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(whole.get() > CASES / 4, "{} of {CASES} projects are right", whole.get());
}
