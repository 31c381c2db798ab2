using System.Diagnostics;
using System.Globalization;
using MsResampler.Cli;

namespace MsResampler.Vision.Tests.Photos;

/// <summary>A run that is killed at random moments loses no photo, and computes no recorded one again.</summary>
internal sealed class KilledRunTests : PhotoFixture
{
    private const int PhotoCount = 3_000;
    private const int KillCount = 5;
    private const int BadInterval = 50;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private string Photos => In("photos");

    [OneTimeSetUp]
    public void CreatePhotos()
    {
        Skip.If(OperatingSystem.IsWindows(), "links need a privilege on Windows");
        string[] paths = TestImages.Write(In("originals"), 10);
        File.WriteAllText(In("originals/bad.png"), "not a picture");
        Directory.CreateDirectory(Photos);
        for (int index = 0; index < PhotoCount; index++)
        {
            File.CreateSymbolicLink(Path.Combine(Photos, $"{index:D5}.png"),
                index % BadInterval == 7 ? In("originals/bad.png") : paths[index % paths.Length]);
        }
    }

    [Test]
    public void A_run_killed_at_random_moments_ends_as_if_it_was_not()
    {
        string whole = In("whole"), killed = In("killed");
        Assert.That(Run(Options(whole)).ExitCode, Is.EqualTo(1));
        string sidecar = Path.Combine(killed, "tokens.jsonl");
        int seed = Random.Shared.Next();
        Random random = new(seed);
        byte[] before = [];
        for (int kill = 0; kill < KillCount; kill++)
        {
            using Process process = Start(killed);
            // Somewhere in the next part of the photos, and at any moment within the work on one of them.
            long length = before.Length + random.Next(before.Length == 0 ? 1 : 15_000);
            Assert.That(SpinWait.SpinUntil(() => process.HasExited
                || (File.Exists(sidecar) && new FileInfo(sidecar).Length > length), s_patience), $"seed {seed}");
            SpinWait.SpinUntil(() => false, TimeSpan.FromMilliseconds(5 * random.NextDouble()));
            process.Kill();
            process.WaitForExit();
            byte[] after = File.ReadAllBytes(sidecar);
            // A torn last line may go, nothing else.
            int kept = before.AsSpan().LastIndexOf((byte)'\n') + 1;
            Assert.That(after.AsSpan().StartsWith(before.AsSpan(0, kept)), $"seed {seed}: kill {kill} lost lines");
            before = after;
        }

        int doneCount = before.Count(value => value == '\n');
        int wholeLength = before.AsSpan().LastIndexOf((byte)'\n') + 1;
        int goodCount = System.Text.Encoding.UTF8.GetString(before, 0, wholeLength)
            .Split("\"status\":\"ok\"").Length - 1;
        CliRun last = Run(Options(killed));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(doneCount, Is.LessThan(PhotoCount), $"seed {seed}: too slow to kill the run");
            Assert.That(last.Output, Does.Contain($"; {goodCount.ToString("N0", CultureInfo.InvariantCulture)} had " +
                "tokens before)"), $"seed {seed}");
            Assert.That(last.Output, Does.Not.Contain("warning"));
            Assert.That(Directory.GetFiles(killed).Select(Path.GetFileName).Order(StringComparer.Ordinal),
                Is.EqualTo(Directory.GetFiles(whole).Select(Path.GetFileName).Order(StringComparer.Ordinal)));
            foreach (string file in Directory.GetFiles(whole))
            {
                Assert.That(File.ReadAllBytes(Path.Combine(killed, Path.GetFileName(file))),
                    Is.EqualTo(File.ReadAllBytes(file)), $"seed {seed}: {file}");
            }

            Assert.That(Read(killed).Select(photo => photo.File),
                Is.EqualTo(Enumerable.Range(0, PhotoCount).Select(index => $"{index:D5}.png")));
        }
    }

    [Test]
    public void An_interrupted_run_says_how_to_continue()
    {
        string output = In("interrupted");
        using Process process = Start(output);
        Task<string> error = process.StandardError.ReadToEndAsync();
        string sidecar = Path.Combine(output, "tokens.jsonl");
        Assert.That(SpinWait.SpinUntil(() => File.Exists(sidecar) && new FileInfo(sidecar).Length > 0, s_patience));
        using (Process signal = Process.Start("sh", ["-c", $"kill -TERM {process.Id}"]))
            signal.WaitForExit();
        Assert.That(process.WaitForExit(s_patience));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(process.ExitCode, Is.EqualTo(128 + 15));
            Assert.That(error.Result, Is.EqualTo("error: interrupted; the same command continues with what is " +
                $"missing in {output}\n"));
            Assert.That(File.Exists(Path.Combine(output, "tokens.lock")), Is.False);
            Assert.That(Run(Options(output)).Output, Does.Contain(" had tokens before)"));
            Assert.That(Read(output), Has.Count.EqualTo(PhotoCount));
        }
    }

    private string[] Options(string output)
        // 120 bytes a photo: 33 in a shard, so that some kills hit the change of shards.
        => ["--images", Photos, "--out", output, "--shard-size", "4000", "--threads", "1"];

    private Process Start(string output)
        => Process.Start(new ProcessStartInfo("dotnet", [typeof(CommandLine).Assembly.Location,
            .. Arguments(Options(output))])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
}
