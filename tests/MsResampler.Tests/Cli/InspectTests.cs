using System.Text;
using MsResampler.Cli.Display;
using MsResampler.Planning;

namespace MsResampler.Tests.Cli;

internal sealed class InspectTests : CliFixture
{
    [Test]
    public void A_model_is_shown_part_by_part_in_plain_lines()
    {
        string output = CliRun.Of("inspect", Model, "--grid", "4x6").Succeeds().Output;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(output, Does.Contain("2x3 = 6").And.Contain("window 2x2 patches, clip")
                .And.Contain("sigma 1.5x1.5"));
            Assert.That(output, Does.Contain("gate.fc1.weight").And.Contain("[4, 24]").And.Contain("384"));
            Assert.That(output, Does.Not.Contain('\u001b'));
            Assert.That(output.Split('\n'), Has.None.Match(@"[ \t]$"));
        }
    }

    [Test]
    public void The_plan_compares_the_computed_operations_with_the_model()
    {
        string output = CliRun.Of("inspect", Model, "--grid", "4x6").Succeeds().Output;
        using ResamplerModel model = ResamplerModel.Open(Model);
        using Resampler resampler = Resampler.Load(model);
        ExecutionPlan plan = resampler.Plan(new PatchGrid(4, 6));
        using (Assert.EnterMultipleScope())
        {
            // kv_proj: 2·N·C·D = 2·24·12·8; attention as in the model: 4·M·N·D for each of 3 scopes = 12·6·24·8.
            Assert.That(output, Does.Match(@"\nkv_proj +4\.61 k +4\.61 k\n"));
            Assert.That(output, Does.Match(@"\nq_proj +2\.30 k +-\n"));
            Assert.That(output, Does.Match(@"\nattention +13\.8 k +"));
            Assert.That(output, Does.Contain($"{Quantity.Scaled(plan.Flops)}FLOP instead of " +
                $"{Quantity.Scaled(plan.NaiveFlops)}FLOP"));
            Assert.That(output, Does.Match(
                $@"\ntotal +{Quantity.Scaled(plan.NaiveFlops).Trim()} +{Quantity.Scaled(plan.Flops).Trim()}\n"));
            string local = plan.Scopes[0].Keys == ProjectionStrategy.Absorbed ? "absorbed" : "projected";
            Assert.That(output, Does.Match($@"\n0 local +2x2 +{plan.Scopes[0].Windows.PairCount} +\d+ +{local} "));
            Assert.That(output, Does.Match(@"\n2 wide +4x6 +144 +\d+ +(projected|absorbed) +(projected|absorbed) +"));
        }
    }

    [Test]
    public void A_picture_shows_the_patches_that_a_query_sees()
    {
        string[] lines = CliRun.Of("inspect", Model, "--grid", "4x6").Succeeds().Output.Split('\n');
        int first = Array.FindIndex(lines, line => line.StartsWith("0 local", StringComparison.Ordinal)) + 1;
        // On a 4x6 grid, query (1, 1) of 2x3 has the anchor (2.5, 2.5) and query (0, 0) the anchor (0.5, 0.5).
        Assert.That(lines[first..(first + 4)], Is.EqualTo(new[]
        {
            "  ············    ████········",
            "  ············    ████········",
            "  ····████····    ············",
            "  ····████····    ············",
        }));
    }

    [Test]
    public void A_file_without_a_model_lists_tensors_of_any_type()
    {
        byte[] header = Encoding.ASCII.GetBytes("""
            {"a":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},
            "b":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[16,19]}}
            """);
        File.WriteAllBytes(In("any.safetensors"),
            [.. BitConverter.GetBytes((ulong)header.Length), .. header, .. new byte[19]]);
        string output = CliRun.Of("inspect", In("any.safetensors")).Succeeds().Output;
        Assert.That(output, Does.Match(@"a +I64 +\[2\] +16\n").And.Match(@"b +F8_E4M3 +\[3\] +3\n")
            .And.Contain("2 tensors, 5 parameters"));
    }

    [Test]
    public void A_damaged_file_is_an_error_that_names_it()
    {
        File.WriteAllBytes(In("damaged.safetensors"), [1, 2, 3]);
        CliRun.Of("inspect", In("damaged.safetensors")).FailsNaming("damaged.safetensors");
    }
}
