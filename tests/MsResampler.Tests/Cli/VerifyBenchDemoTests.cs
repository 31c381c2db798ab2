using System.Runtime.InteropServices;
using System.Text.Json;
using MsResampler.Cli.Demo;
using MsResampler.Cli.Engines;
using MsResampler.Scenes;

namespace MsResampler.Tests.Cli;

internal sealed class VerifyBenchDemoTests : CliFixture
{
    [Test]
    public void Verify_passes_within_the_bound_and_fails_above_it()
    {
        CliRun good = CliRun.Of("verify", "--model", Model).Succeeds();
        CliRun bad = CliRun.Of("verify", "--model", Model, "--bound", "1e-12");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(good.Output, Does.Contain("same bits").And.Contain("all 6 within 3.0e-06"));
            Assert.That(bad.ExitCode, Is.EqualTo(1));
            Assert.That(bad.Output, Does.Contain("FAILED"));
            Assert.That(bad.Error, Is.Empty);
        }
    }

    [Test]
    public void Bench_reports_the_same_values_on_screen_and_in_JSON()
    {
        CliRun run = CliRun.Of("bench", "--model", Model, "--grid", "3x4", "--batch", "2", "--seconds",
            "0.05", "--json", In("bench.json"));
        run.Succeeds();
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(In("bench.json")));
        JsonElement root = json.RootElement;
        double median = root.GetProperty("median_seconds").GetDouble();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.Output, Does.Contain("images/s").And.Contain("2 x 3x4 patches"));
            Assert.That(median, Is.Positive);
            Assert.That(root.GetProperty("p10_seconds").GetDouble(), Is.LessThanOrEqualTo(median));
            Assert.That(root.GetProperty("p90_seconds").GetDouble(), Is.GreaterThanOrEqualTo(median));
            Assert.That(root.GetProperty("images_per_second").GetDouble(),
                Is.EqualTo(2 / median).Within(1e-9).Percent);
            Assert.That(root.GetProperty("calls").GetInt32(), Is.GreaterThanOrEqualTo(5));
        }
    }

    [Test]
    public void Demo_writes_the_files_that_it_names_and_can_be_repeated()
    {
        string output = CliRun.Of("demo", "--out", In("demo")).Succeeds().Output;
        string[] named = [.. output.Split('\n')
            .Where(line => line.EndsWith(".png", StringComparison.Ordinal)).Select(line => line.Trim())];
        string[] files = [.. named, In("demo/scene.png"), In("demo/tokens.safetensors")];
        byte[][] before = [.. files.Select(File.ReadAllBytes)];
        CliRun.Of("demo", "--out", In("demo")).Succeeds();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(named, Has.Length.EqualTo(5));
            Assert.That(files.Select(File.ReadAllBytes), Is.EqualTo(before));
        }
    }

    [Test]
    public void The_answers_of_the_demo_are_those_of_the_library()
    {
        string output = CliRun.Of("demo", "--out", In("demo"), "--scene", "5").Succeeds().Output;
        CliRun.Of("run", "--model", In("demo/model"), "--image", In("demo/scene.png"), "--patch", "4", "--size", "64",
            "--out", In("tokens.npy"), "--backend", "cpu").Succeeds();
        Scene scene = new(GarmentSet.LoadDemo(), seed: 4_000_000, index: 5);
        using Resampler resampler = Resampler.Load(In("demo/model"));
        float[] tokens = resampler.Resample(ScenePicture.Features(ScenePicture.Draw(scene)), SceneLayout.Grid(1));
        Reader reader = DemoModel.LoadReader();
        Question[] questions = Question.Draw(scene, countPerTask: 1);
        reader.Ask(tokens, questions);
        using (Assert.EnterMultipleScope())
        {
            for (int index = 0; index < questions.Length; index++)
            {
                string line = output.Split('\n').Single(row
                    => row.StartsWith($"{questions[index]}", StringComparison.Ordinal));
                Assert.That(line, Does.Match($@"\?\s+{questions[index].Describe(reader.BestAnswer(index))}\s+\d+%\s+" +
                    (reader.BestAnswer(index) == questions[index].Answer ? "right"
                        : $"wrong: {questions[index].Describe(questions[index].Answer)}")));
            }

            // The command reads the same pixels; its features differ by the rounding of one operation, 6e-8.
            byte[] file = File.ReadAllBytes(In("tokens.npy"));
            Assert.That(MemoryMarshal.Cast<byte, float>(file.AsSpan(file.Length - (sizeof(float) * tokens.Length)))
                .ToArray(), Is.EqualTo(tokens).Within(1e-4));
        }
    }

    [Test]
    public void The_looks_of_an_answer_are_shares_of_the_whole()
    {
        Scene scene = new(GarmentSet.LoadDemo(), seed: 4_000_000, index: 1);
        using ResamplerModel model = ResamplerModel.Open(DemoModel.ReadWeights(), DemoModel.ReadConfig());
        using ITokenEngine engine = TokenEngine.Open(model, new EngineChoice { Backend = BackendChoice.Cpu });
        SceneReading reading = SceneReading.Of(engine, DemoModel.LoadReader(), scene, ScenePicture.Draw(scene),
            CancellationToken.None);
        using (Assert.EnterMultipleScope())
        {
            // Each is a product of three softmaxes in single precision.
            foreach (SceneAnswer answer in reading.Answers)
                Assert.That(answer.Looks.Sum(look => look.Sum()), Is.EqualTo(1).Within(1e-4));
            // The local window of every token is 6x6 of the 16x16 patches.
            Assert.That(Enumerable.Range(0, 9).Select(token => reading.View.AttentionOf(token, 0, 0).ToArray()
                .Count(weight => weight > 0)), Has.All.LessThanOrEqualTo(36));
        }
    }
}
