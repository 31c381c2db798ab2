using System.Text.Json;

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
        byte[] tokens = File.ReadAllBytes(In("demo/tokens.safetensors"));
        CliRun.Of("demo", "--out", In("demo")).Succeeds();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(named, Has.Length.EqualTo(4));
            Assert.That(named, Has.All.Matches<string>(File.Exists));
            Assert.That(File.ReadAllBytes(In("demo/tokens.safetensors")), Is.EqualTo(tokens));
            Assert.That(output, Does.Contain("random"));
        }
    }
}
