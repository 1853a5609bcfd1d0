# What mal does on a host while root works in her folder, as fast as she can, until she is ended:
#   mal.pl SEED FOLDER WAY…
# A way is WORD[:NAME,…]; each is a process of its own. FOLDER/d is where root works; FOLDER/away, FOLDER/plant.* hold
# what she swaps things for, under the same names.
use strict;
use warnings;
use Fcntl;

my ($seed, $folder, @ways) = @ARGV;
srand $seed;
$SIG{TERM} = sub { exit 0 };

# renameat2(2) with RENAME_EXCHANGE on x86_64 and on what has the newer numbers.
my $number = `uname -m` =~ /x86_64/ ? 316 : 276;
sub exchange {
    my ($one, $other) = @_;
    return syscall($number, -100, $one, -100, $other, 2) == 0;
}

# So many swaps, an even number, so that things often stand as they should when the next begins.
sub burst { return 2 * int(rand 40) + 1 + int(rand 2) }

my %does = (
    # The folder itself, for a link to one of root's.
    parent => sub {
        chdir $folder or die;
        my @aways = grep { -l "away/$_" } qw(crown etc bob);
        while (1) {
            my $away = 'away/' . $aways[int rand @aways];
            exchange('d', $away) for 1 .. burst();
        }
    },
    # The folder with her keys.
    ssh => sub {
        chdir $folder or die;
        while (1) { exchange('.ssh', 'away/ssh') for 1 .. burst() }
    },
    # What stands in the folder, for links, hard links, pipes and folders.
    target => sub {
        my @names = @_;
        chdir "$folder/d" or die;
        my @plants = qw(link link hard bob bobhard suid folder);
        while (1) {
            my $name = $names[int rand @names];
            my $plant = "../plant." . $plants[int rand @plants] . "/$name";
            exchange($name, $plant) for 1 .. burst();
        }
    },
    pipe => sub {
        my @names = @_;
        chdir "$folder/d" or die;
        while (1) {
            my $name = $names[int rand @names];
            exchange($name, "../plant.pipe/$name") for 1 .. 2 * int(rand 20) + 1;
            # Who waits at a pipe is let go.
            for my $pipe ($name, "../plant.pipe/$name") {
                sysopen(my $open, $pipe, O_RDWR | O_NONBLOCK) if -p $pipe;
            }
        }
    },
    # What stands there comes and goes.
    gone => sub {
        my @names = @_;
        chdir "$folder/d" or die;
        while (1) {
            my $name = $names[int rand @names];
            rename($name, "../plant.gone/$name") or rename("../plant.gone/$name", $name) for 1 .. burst();
        }
    },
    # Names of temporary files: those that she sees, and those that come next.
    temporary => sub {
        my @victims = @_;
        chdir "$folder/d" or die;
        mkdir "../plant.temporary";
        my ($word, $next, $nth) = ('', 0, 0);
        while (1) {
            opendir(my $open, '.') or die;
            for my $name (grep { /^\.trueup-/ } readdir $open) {
                if ($name =~ /^\.trueup-([0-9a-f]+)-(\d+)/) { ($word, $next) = ($1, $2) }
                my $plant = "../plant.temporary/" . $nth++ % 16;
                unlink $plant; rmdir $plant;
                my $victim = $victims[int rand @victims];
                my $what = int rand 4;
                if ($what == 0) { mkdir $plant }
                elsif ($what == 1) { symlink "/srv/bob/$victim", $plant }
                else { symlink "/srv/crown/$victim", $plant }
                exchange($name, $plant) for 1 .. 1 + int(rand 2);
            }
            closedir $open;
            next unless $word;
            my $victim = $victims[int rand @victims];
            for my $step (0 .. 3) {
                for my $end ('', '-1', '-1.old', '-2.old') {
                    my $name = ".trueup-$word-" . ($next + $step) . $end;
                    symlink "/srv/crown/$victim", $name;
                    unlink $name if -l $name;
                }
            }
        }
    },
    # Deep in folders that are removed whole.
    deep => sub {
        my @names = @_;
        chdir "$folder/d" or die;
        while (1) {
            my $name = $names[int rand @names];
            for my $below ('deep', 'deep/er') {
                exchange("$name/$below", "../away/deep") for 1 .. burst();
            }
        }
    },
    # Folders that root has just made, for others that stand beside.
    folder => sub {
        my @names = @_;
        chdir "$folder/d" or die;
        while (1) {
            my $name = $names[int rand @names];
            exchange($name, 'roots') for 1 .. burst();
        }
    },
    # A folder where everybody may write: nothing of root's can be renamed there, but what is not there yet can be made.
    open => sub {
        my @names = @_;
        chdir '/srv/open' or die;
        while (1) {
            my $name = $names[int rand @names];
            my $victim = rand() < 0.7 ? "/srv/crown/$name" : "/srv/bob/$name";
            symlink $victim, ".mal-$name";
            for (1 .. burst()) {
                rename ".mal-$name", $name or exchange(".mal-$name", $name);
                exchange($name, ".mal-file") if rand() < 0.5;
                unlink $name if rand() < 0.3 && -l $name;
                symlink $victim, ".mal-$name";
            }
            unless (-e ".mal-file") { if (open my $made, '>', ".mal-file") { print $made "hers\n" } }
        }
    },
);

my @children;
for my $way (@ways) {
    my ($word, $names) = split /:/, $way;
    my $child = fork;
    if (!$child) {
        srand($seed + @children);
        $does{$word}->(split /,/, $names // '');
        exit 0;
    }
    push @children, $child;
}
$SIG{TERM} = sub { kill 'TERM', @children; exit 0 };
wait for @children;
