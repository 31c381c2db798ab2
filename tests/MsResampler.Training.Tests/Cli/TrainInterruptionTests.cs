using System.Diagnostics;

namespace MsResampler.Training.Tests.Cli;

/// <summary>A training that ends at any moment continues to the same bits.</summary>
internal sealed class TrainInterruptionTests : TrainFixture
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private static readonly string[] s_run = ["--steps", "500", "--batch", "5", "--checkpoint-every", "20", "--ema",
        "0.99"];

    // In the second, most of the time is that of writing checkpoints.
    private static readonly string[][] s_killedRuns =
    [
        ["--steps", "200", "--batch", "5", "--checkpoint-every", "20", "--ema", "0.99"],
        ["--steps", "60", "--batch", "5", "--checkpoint-every", "1"],
    ];

    /// <summary>The moments are random, with a fixed seed, from the start of the process to its last steps.</summary>
    [Test]
    public void After_kill_the_result_has_the_same_bits([Values(0, 1)] int index)
    {
        string[] run = s_killedRuns[index];
        Stopwatch time = Stopwatch.StartNew();
        using (Process whole = Start(Arguments("whole", run)))
            Assert.That(whole.WaitForExit(s_patience));
        double seconds = time.Elapsed.TotalSeconds;
        Random random = new(index);
        int killCount = 0;
        for (bool isDone = false; !isDone;)
        {
            using Process process = Start(Arguments("killed", [.. run, "--resume"]));
            isDone = process.WaitForExit(TimeSpan.FromSeconds(killCount < 6 ? random.NextDouble() * seconds : 60));
            if (isDone)
            {
                Assert.That(process.ExitCode, Is.Zero, process.StandardError.ReadToEnd());
                continue;
            }

            process.Kill();
            process.WaitForExit();
            killCount++;
        }

        TestContext.Out.WriteLine($"{killCount} kills");
        Assert.That(killCount, Is.GreaterThan(0));
        AssertSame("whole", "killed");
        Assert.That(Directory.EnumerateFiles(Folder.File("killed"), ".*"), Is.Empty);
    }

    [Test]
    public void A_signal_ends_with_a_checkpoint([Values("INT", "TERM")] string signal)
    {
        Skip.If(!OperatingSystem.IsLinux(), "The signals are those of Linux.");
        Train("whole", s_run).Succeeds();
        using Process process = Start(Arguments("stopped", s_run));
        string log = Path.Combine(Folder.File("stopped"), "training.csv");
        while (!process.HasExited && !(File.Exists(Path.Combine(Folder.File("stopped"), "training.png"))))
            Thread.Sleep(5);
        Process.Start("kill", [$"-{signal}", $"{process.Id}"]).WaitForExit();
        Assert.That(process.WaitForExit(s_patience));
        string error = process.StandardError.ReadToEnd();
        Skip.If(process.ExitCode == 0, "this process was started with signals ignored, as in the background");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(process.ExitCode, Is.EqualTo(signal == "INT" ? 130 : 143));
            Assert.That(error, Does.StartWith("error: interrupted; ").And
                .Contains(" of 500: the same command with --resume continues"));
            // The checkpoint is of the last step: none is taken again.
            Assert.That(File.ReadAllLines(log).Length - 1, Is.EqualTo(int.Parse(error.Split(" holds step ")[1]
                .Split(" of ")[0].Replace(",", "", StringComparison.Ordinal), null)));
        }

        Train("stopped", [.. s_run, "--resume"]).Succeeds();
        AssertSame("whole", "stopped");
    }

    /// <summary>A step of this run takes many times as long as the pause before the signal: the signal arrives within
    /// the first one.</summary>
    [Test]
    public void A_signal_within_a_long_step_does_not_wait_for_its_end()
    {
        Skip.If(!OperatingSystem.IsLinux(), "The signals are those of Linux.");
        string[] run = ["--steps", "2", "--batch", "16384"];
        using Process process = Start(Arguments("stopped", run));
        while (!process.HasExited && !File.Exists(Path.Combine(Folder.File("stopped"), "training.png")))
            Thread.Sleep(5);
        Thread.Sleep(100);
        Process.Start("kill", ["-TERM", $"{process.Id}"]).WaitForExit();
        Assert.That(process.WaitForExit(s_patience));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(process.ExitCode, Is.EqualTo(143));
            Assert.That(process.StandardError.ReadToEnd(), Does.Contain(" holds step 0 of 2: "));
        }

        Train("stopped", [.. run, "--resume"]).Succeeds();
        Train("whole", run).Succeeds();
        AssertSame("whole", "stopped");
    }
}
