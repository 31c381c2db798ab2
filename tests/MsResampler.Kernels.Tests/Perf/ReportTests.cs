using System.Text.Json;
using MsResampler.Kernels.Gemm;
using MsResampler.Perf.Ceilings;
using MsResampler.Perf.Gpu;
using MsResampler.Perf.Measuring;
using MsResampler.Perf.Models;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>The report of the command <c>gpu</c>, as Markdown and as JSON.</summary>
public sealed class ReportTests
{
    private static readonly DeviceProperties s_device = new("Test GPU", 90, 132, 80_000_000_000, 228 << 10);

    private static readonly DeviceCeilings s_ceilings = new(600e12, 500e12, 300e12, 3e12,
        new LaunchCosts(Host: 2.25, Plain: 2.5, Graph: 1.25, RoundTrip: 9, Measured: 1.75));

    private static readonly ModelFigures s_figures = new("float16", 8, new Spread(1.5, 1.4, 1.6, 100),
        new Spread(0.25, 0.2, 0.3, 50), new Spread(0.5, 0.4, 0.6, 40),
        [
            new LaunchFigures("proj", "GemmMma", 1, 0.125, 0.8, 50, 100, 0.75, 0.25)
            {
                Product = new ProductExtent(1, 64, 32, 16),
            },
            new LaunchFigures("fusion gate", "FusionGateBits16", 1, 0.03125, 0.2, 0.5, 25, null, 0.5),
        ]);

    private static readonly GpuRow s_row = GpuRow.Of(PeerShape.All[0], 8, "float16") with { RelativeL2 = 1.5e-3 };

    private static readonly GpuReport s_report = new(s_device, "13.0", "gpu --quick", s_ceilings, "no cuBLAS: because",
    [
        s_row with { Figures = s_figures, Cublas = new Dictionary<string, double> { ["proj"] = 0.25 } },
        s_row with { Batch = 64, Failure = "out | of memory" },
    ])
    {
        FirstPrecision = Precision.Float16,
        FirstCold = new FirstResult(2500, 1500, 500),
        FirstWarm = new FirstResult(700, 400, 10),
    };

    [Test]
    public void The_report_shows_kernels_and_the_limits_of_the_device()
    {
        string text = s_report.ToMarkdown();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(text, Does.Contain("device: Test GPU, sm_90, 132 multiprocessors").And.Contain(
                "### clip-l-336-separate, batch 8, float16"));
            Assert.That(text,
                Does.Contain("| proj | GemmMma | 1 | 125.0 | 80% | 50.00 | 100.0 | 400.0 | 75% | 800 | 25% |"));
            Assert.That(text, Does.Contain(
                "| fusion gate | FusionGateBits16 | 1 | 31.3 | 20% | 0.50 | 25.0 | 16.0 |  | 800 | 50% |"));
            Assert.That(text, Does.Contain("| **0.250 (0.200–0.300)** | 0.500 (0.400–0.600) "), "warm and cold");
            Assert.That(text, Does.Contain("| 50, 40, 100 |"), "samples: warm, cold, whole calls");
            Assert.That(text, Does.Contain("products in registers, float16 | 600.0 TFLOP/s |"));
            Assert.That(text, Does.Contain("products in registers, bfloat16 | 500.0 TFLOP/s |"));
            Assert.That(text, Does.Contain("products in registers, tf32 | 300.0 TFLOP/s |"));
            Assert.That(text, Does.Contain("bytes read plus bytes written | 3000 GB/s |"));
            Assert.That(text, Does.Contain("many in a row, device time of each | 2.50 µs |"));
            Assert.That(text, Does.Contain("many in a replayed graph, device time of each | 1.25 µs |"));
            Assert.That(text, Does.Contain("many in a row, host time of each | 2.25 µs |"));
            Assert.That(text, Does.Contain("launched on an idle device and waited for | 9.00 µs |"));
            Assert.That(text, Does.Contain("timed in the same way as the kernels below | 1.75 µs |"));
            Assert.That(text, Does.Match(@"one image in\s+float16"));
            Assert.That(text, Does.Contain("| empty | 2500 ms | 1500 ms | 500 ms |"));
            Assert.That(text, Does.Contain("| filled | 700 ms | 400 ms | 10 ms |"));
        }

        using JsonDocument json = JsonDocument.Parse(s_report.ToJson());
        JsonElement launch = json.RootElement.GetProperty("rows")[0].GetProperty("figures").GetProperty("launches")[0];
        Assert.That(launch.GetProperty("tflops").GetDouble(), Is.EqualTo(400));
        Assert.That(launch.GetProperty("product").GetProperty("rows").GetInt32(), Is.EqualTo(64));
        Assert.That(json.RootElement.GetProperty("first_warm").GetProperty("call_milliseconds").GetDouble(),
            Is.EqualTo(10));
    }

    [Test]
    public void The_report_has_a_row_for_each_model_and_names_failures()
    {
        string text = s_report.ToMarkdown();
        using JsonDocument json = JsonDocument.Parse(s_report.ToJson());

        using (Assert.EnterMultipleScope())
        {
            Assert.That(text, Does.Contain("| clip-l-336-separate | 8 | float16 | 1.5e-3 | **0.250 (0.200–0.300)** " +
                "| 0.500 (0.400–0.600) | 1.500 (1.400–1.600) | 50, 40, 100 | 32000 | 202.0 |"));
            Assert.That(text,
                Does.Contain(@"| clip-l-336-separate | 64 | float16 | 1.5e-3 | out \| of memory | | | | | |"));
            Assert.That(text, Does.Contain(
                "| proj | GemmMma | 1 | 125.0 | 80% | 50.00 | 100.0 | 400.0 | 75% | 800 | 25% | 250.0 |"));
            Assert.That(text, Does.Contain(
                "| fusion gate | FusionGateBits16 | 1 | 31.3 | 20% | 0.50 | 25.0 | 16.0 |  | 800 | 50% | |"));
            Assert.That(text, Does.Contain("| kernel caches | whole process |").And.Contain("| empty | 2500 ms "));
            // torch_peer.py --engine reads these fields.
            JsonElement first = json.RootElement.GetProperty("rows")[0];
            Assert.That(first.GetProperty("model").GetString(), Is.EqualTo("clip-l-336-separate"));
            Assert.That(first.GetProperty("batch").GetInt32(), Is.EqualTo(8));
            Assert.That(first.GetProperty("precision").GetString(), Is.EqualTo("float16"));
            Assert.That(first.GetProperty("figures").GetProperty("warm").GetProperty("median").GetDouble(),
                Is.EqualTo(0.25));
            Assert.That(json.RootElement.GetProperty("rows")[1].GetProperty("figures").ValueKind,
                Is.EqualTo(JsonValueKind.Null));
        }
    }

    [Test]
    public void The_largest_product_is_compared_with_cuBLAS_and_a_pass_with_PyTorch()
    {
        GpuRow row = Large("proj", 0.1125);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((s_report with { Rows = [row] }).ToMarkdown(),
                Does.Contain("| clip-l-336-separate | 64 | float16 | proj 64×32×16 | 0.90 | bar 0.80 reached |")
                .And.Contain("| 25% | 112.5 | 0.90 |"));
            Assert.That(row.ToLine(),
                Does.EndWith("; proj 64×32×16 has 0.90 of the speed of cuBLAS, bar 0.80 reached"));
            Assert.That(SpeedBar.OfProduct(Large("proj", 0.09))!.ToCell(), Is.EqualTo("bar 0.80 missed"));
            Assert.That(SpeedBar.OfProduct(Large("another product", 1)), Is.Null);
            Assert.That(SpeedBar.OfProduct(row with { Batch = 8 }), Is.Null);
            Assert.That(SpeedBar.OfProduct(row with { Precision = "tf32" }), Is.Null);
            Assert.That(SpeedBar.OfProduct(row with { Variant = "128x128" }), Is.Null);
            Assert.That(SpeedBar.OfProduct(row with { Model = "hires-separate" }), Is.Null);
            Assert.That((s_report with { Rows = [row with { Cublas = null }] }).ToMarkdown(), Does.Not.Contain("bar "));
            // The pass takes 0.25 ms.
            Assert.That(SpeedBar.OfPass(row with { Batch = 1 }, 0.375)!.ToCell(), Is.EqualTo("bar 1.50 reached"));
            Assert.That(SpeedBar.OfPass(row with { Batch = 1 }, 0.37)!.ToCell(), Is.EqualTo("bar 1.50 missed"));
            Assert.That(SpeedBar.OfPass(row, 0.25)!.ToCell(), Is.EqualTo("bar 1.00 reached"));
            Assert.That(SpeedBar.OfPass(row with { Batch = 8 }, 0.25), Is.Null);
        }
    }

    [Test]
    public void Variants_are_compared_with_the_choice_of_the_engine()
    {
        GpuRow row = Large("proj", 0.1125);
        GpuRow variant = row with
        {
            Variant = "wgmma64x256",
            Figures = s_figures with { Warm = new Spread(0.375, 0.3, 0.4, 50) },
        };
        string text = (s_report with { Rows = [variant, row] }).ToMarkdown();
        int end = text.IndexOf("## Variants", StringComparison.Ordinal);
        string passes = text[text.IndexOf("## Forward passes", StringComparison.Ordinal)..end];

        using (Assert.EnterMultipleScope())
        {
            Assert.That(text, Does.Contain("| clip-l-336-separate | 64 | float16 | the engine's choice | 0.250 |  " +
                "| proj 64×32×16 | GemmMma | 125.0 | 400.0 | 75% |\n" +
                "| clip-l-336-separate | 64 | float16 | wgmma64x256 | 0.375 | +50.0% " +
                "| proj 64×32×16 | GemmMma | 125.0 | 400.0 | 75% |\n"));
            Assert.That(passes, Does.Contain("**0.250").And.Not.Contain("**0.375"));
            Assert.That(text, Does.Contain("### clip-l-336-separate, batch 64, float16, wgmma64x256"));
            Assert.That((s_report with { Rows = [row] }).ToMarkdown(), Does.Not.Contain("## Variants"));
        }
    }

    [Test]
    public void The_limits_of_Hopper_are_those_of_both_instructions_and_of_both_kinds_of_launches()
    {
        GpuReport report = s_report with
        {
            Ceilings = s_ceilings with
            {
                WarpgroupFloat16Flops = 900e12,
                WarpgroupBFloat16Flops = 800e12,
                Launches = s_ceilings.Launches with { Graph = 0.5, OrdinaryGraph = 1.25 },
            },
        };
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.ToMarkdown(), Does.Contain("products by warpgroups, float16 | 900.0 TFLOP/s |")
                .And.Contain("products by warpgroups, bfloat16 | 800.0 TFLOP/s |")
                .And.Contain("| the same without dependent launches | 1.25 µs |"));
            Assert.That(report.LimitsText, Does.Contain("by warpgroups: float16 900.0 TFLOP/s, bfloat16 800.0 TFLOP/s")
                .And.Contain("0.50 µs in a graph, 1.25 µs there without dependent launches"));
            Assert.That(s_report.ToMarkdown(), Does.Contain("products by warpgroups, float16 | none |"));
        }
    }

    private static GpuRow Large(string product, double cublas) => s_row with
    {
        Batch = 64,
        Figures = s_figures,
        Cublas = new Dictionary<string, double> { [product] = cublas },
    };
}
