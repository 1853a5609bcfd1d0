# The 113 resources of tests/it/support/work.rs, for pyinfra.
from pyinfra import host
from pyinfra.operations import apt, files, server, systemd

apt.packages(packages=[f"lab-pkg{number:02}" for number in range(1, 21)])
for number in range(1, 11):
    server.user(user=f"work{number}", shell="/bin/bash", comment=f"worker {number}")
for number in range(1, 11):
    files.directory(path=f"/srv/work-d{number}", mode="750", user=f"work{number}")
for number in range(1, 11):
    files.link(path=f"/srv/work-l{number}", target=f"/srv/work-d{number}")
for number in range(1, 11):
    path = "/etc/issue" if number <= 5 else "/etc/issue.net"
    files.line(path=path, line=f"^# work line {number}$", replace=f"# work line {number}")
for number in range(1, 51):
    files.template(
        src="site.conf.j2",
        dest=f"/srv/work-d1/site{number}.conf",
        mode="640",
        name_of_host=host.name,
        site=number,
    )
for number in range(1, 4):
    systemd.service(service=f"lab-svc{number}", running=True, enabled=True)
