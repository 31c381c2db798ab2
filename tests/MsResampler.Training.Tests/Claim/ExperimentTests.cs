using MsResampler.Claim.Arms;
using MsResampler.Claim.Report;
using MsResampler.Claim.Runs;
using MsResampler.Scenes;
using MsResampler.Training.Tests.Scenes;

namespace MsResampler.Training.Tests.Claim;

/// <summary>The experiment as a whole, tiny and on synthetic garments.</summary>
internal sealed class ExperimentTests : TemporaryFolderFixture
{
    private static readonly GarmentSet s_garments = SyntheticGarments.Create();

    private static readonly RunSettings s_settings = new()
    {
        Steps = 4,
        ScenesPerStep = 2,
        TestScenes = 8,
        ValidationScenes = 4,
        CurvePoints = 2,
    };

    private static readonly RunPlan s_plan = new()
    {
        Settings = s_settings,
        Tuning = s_settings with { Steps = 2, CurvePoints = 1 },
        Rates = [1e-3, 2e-3],
        Seeds = [1, 2],
    };

    private static readonly Arm[] s_arms =
        [.. new[] { "global", "pool", "scopes", "sigma", "shuffled" }.Select(ArmList.Find)];

    private Experiment Create(RunPlan? plan = null, string folder = "results", TextWriter? log = null)
        => new(plan ?? s_plan, s_arms, Folder.File(folder), _ => s_garments, log ?? TextWriter.Null);

    private static void RunAll(Experiment experiment, params string[] only)
        => experiment.Run(only, workers: 2, DateTime.MaxValue, CancellationToken.None);

    private static string Json(string folder, string name) => string.Join('\n', File.ReadLines(
        Path.Combine(folder, "runs", name)).Where(line => !line.Contains("seconds", StringComparison.Ordinal)));

    [Test]
    public void An_experiment_runs_every_arm_with_every_seed_and_reports()
    {
        Experiment experiment = Create();
        RunAll(experiment);
        Assert.That(Directory.GetFiles(Folder.File("results/runs")).Select(Path.GetFileName),
            Is.EquivalentTo(s_arms.SelectMany(arm => s_plan.Seeds.Select(seed => $"{arm.Name}-{seed}.json"))));
        Assert.That(File.ReadAllText(experiment.ProtocolPath), Does.Contain("mean accuracy over the five"));
        RunResult scopes = experiment.Runs.Find("scopes-1")!;
        Assert.That(scopes.Gate!.SelectMany(weights => weights).Sum(), Is.EqualTo(Question.TaskCount).Within(1e-4));
        Assert.That(experiment.Runs.Find("sigma-1")!.Sigmas, Has.Length.EqualTo(3 * 4 * 2));
        Assert.That(experiment.Runs.Find("global-1")!.TestDoubledInPatches, Is.Null);
        Assert.That(experiment.Runs.Find("shuffled-1")!.TestDoubled, Is.Null);

        ClaimReport.Write(experiment, Folder.File("results"));
        string text = File.ReadAllText(Folder.File("results/README.md"));
        Assert.That(text, Does.Contain("10 of 10 final runs"));
        foreach (Arm arm in s_arms)
            Assert.That(text, Does.Contain(arm.Title));
    }

    [Test]
    public void A_run_that_was_stopped_continues_with_the_same_results()
    {
        Experiment whole = Create(folder: "whole");
        RunAll(whole);
        // No time for any run, then one arm, then all.
        Create(folder: "parts").Run([], 1, DateTime.UtcNow, CancellationToken.None);
        Assert.That(Directory.GetFiles(Folder.File("parts/runs")), Is.Empty);
        RunAll(Create(folder: "parts"), "pool");
        Assert.That(Directory.GetFiles(Folder.File("parts/tuning")), Has.Length.EqualTo(2));
        RunAll(Create(folder: "parts"));
        foreach (string path in Directory.GetFiles(Folder.File("whole/runs")))
            Assert.That(Json(Folder.File("parts"), Path.GetFileName(path)),
                Is.EqualTo(Json(Folder.File("whole"), Path.GetFileName(path))), path);
    }

    [Test]
    public void Finished_runs_are_not_repeated()
    {
        RunAll(Create());
        using StringWriter log = new();
        RunAll(Create(log: log));
        Assert.That(log.ToString(), Is.Empty);
    }

    [Test]
    public async Task A_run_that_another_process_has_is_left_to_it()
    {
        Experiment experiment = Create();
        string held = Experiment.TuningName(s_arms[0], 1e-3);
        Task run;
        using (experiment.Tuning.TryTake(held))
        {
            Assert.That(experiment.Tuning.TryTake(held), Is.Null);
            run = Task.Run(() => RunAll(experiment));
            Assert.That(() => s_arms.Skip(1).All(arm => experiment.ChosenRate(arm) is not null),
                Is.True.After(30_000, 100));
            Assert.That(experiment.Tuning.Find(held), Is.Null);
        }

        // The other process has ended without a result; this one makes the run.
        await run;
        Assert.That(experiment.Runs.Find("global-1"), Is.Not.Null);
    }

    [Test]
    public void Runs_of_another_protocol_are_refused()
    {
        RunAll(Create());
        InvalidDataException problem = Assert.Throws<InvalidDataException>(
            () => RunAll(Create(s_plan with { Settings = s_settings with { Steps = 5 } })))!;
        Assert.That(problem.Message, Does.Contain("protocol.md").And.Contain("--out"));
    }

    [Test]
    public void A_damaged_result_is_named()
    {
        Experiment experiment = Create();
        File.WriteAllText(Folder.File("results/runs/global-1.json"), "{");
        InvalidDataException problem = Assert.Throws<InvalidDataException>(() => RunAll(experiment))!;
        Assert.That(problem.Message, Does.Contain("global-1.json"));
    }

    [Test]
    public void Without_data_the_command_refuses_and_says_how_to_get_them()
    {
        TextWriter error = Console.Error;
        using StringWriter text = new();
        try
        {
            Console.SetError(text);
            Assert.That(MsResampler.Claim.ClaimCommand.Create().Parse(["--quick", "--data", Folder.File("none"),
                "--out", Folder.File("results")]).Invoke(), Is.EqualTo(1));
        }
        finally
        {
            Console.SetError(error);
        }

        Assert.That(text.ToString(), Does.Contain("tools/get-fashion-mnist.sh"));
        Assert.That(Directory.GetFiles(Folder.Path, "*.json", SearchOption.AllDirectories), Is.Empty);
    }

    [Test]
    public void The_saved_model_and_reader_answer_as_in_the_experiment()
    {
        Experiment experiment = Create();
        RunAll(experiment);
        ulong best = experiment.KeepBestModel()!.Value;
        string folder = experiment.BestModelFolder;
        Reader reader = ReaderFile.Load(Path.Combine(folder, ReaderFile.Name));
        using Trainee trainee = new(new ScopedModel(TrainableModel.Load(folder)), best, s_settings, reader);
        Assert.That(trainee.Evaluate(s_garments, GarmentSplit.Test, s_settings.TestScenes),
            Is.EqualTo(experiment.Runs.Find($"scopes-{best}")!.Test));
        using ResamplerModel model = ResamplerModel.Open(folder);
        Assert.That(model.Config.Scopes, Has.Count.EqualTo(3));
    }
}
