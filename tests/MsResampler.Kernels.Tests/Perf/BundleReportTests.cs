using MsResampler.Perf.Ceilings;
using MsResampler.Perf.Gpu;
using MsResampler.Perf.Measuring;
using MsResampler.Perf.Models;
using MsResampler.Perf.Probe;
using MsResampler.Perf.Results;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>The results of the GPU bundle, written row by row and read again.</summary>
internal sealed class BundleReportTests : TemporaryFolderFixture
{
    private static readonly Spread s_spread = new(0.25, 0.2, 0.3, 50);

    [Test]
    public void Rows_become_tables_and_the_status()
    {
        ResultLog machine = new(Folder.Path, "machine");
        machine.Add(MachineCommand.Row, Outcome.Passed, "Test GPU, sm_90",
            new CudaDeviceInfo(0, "GPU-0", "Test GPU", 90, 132, 80_000_000_000, null, "13.0", null));
        ResultLog probe = new(Folder.Path, "probe");
        probe.Add("GemmMma", Outcome.Passed, "128 registers");
        probe.Add("Gate", Outcome.Failed, "a | b");
        ResultLog times = new(Folder.Path, "times");
        times.Add(GpuReport.LimitsRow, Outcome.Passed, "limits", new GpuReport(
            new DeviceProperties("Test GPU", 90, 132, 80_000_000_000, 228 << 10), "13.0", "gpu",
            new DeviceCeilings(600e12, 500e12, 300e12, 3e12, new LaunchCosts(1, 2, 3, 4, 5)), "130200", []));
        GpuRow row = GpuRow.Of(PeerShape.All[0], 8, "float16") with
        {
            RelativeL2 = 1.5e-3,
            Figures = new ModelFigures("float16", 8, s_spread, s_spread, s_spread,
                [new LaunchFigures("proj", "GemmMma", 1, 0.125, 1, 50, 100, 0.75, 0.25)]),
        };
        times.Add("clip-l-336-separate float16 batch 8", Outcome.Passed, "", row);
        times.Add("clip-l-336-separate float16 batch 8 variant 128x128", Outcome.Passed, "", row with
        {
            Variant = "128x128",
            Figures = row.Figures! with { Warm = s_spread with { Median = 0.2 } },
        });
        times.Add("clip-l-336-separate float16 batch 1", Outcome.Passed, "", row with { Batch = 1 });
        // As torch_peer.py writes it; then a line that a killed process left unfinished.
        File.AppendAllText(Folder.File(ResultLog.FileName), """
            {"step":"torch","row":"x","outcome":"passed","text":"warm 0.5 ms","data":{"model":"clip-l-336-separate",
            """.TrimEnd() + """
            "grid":"24x24","batch":8,"dtype":"float16","variant":"dense","graph":true,"ms":{"warm":{"median":0.5}}}}
            {"step":"torch","row":"z","outcome":"passed","text":"warm 0.3 ms","data":{"model":"clip-l-336-separate",
            """.TrimEnd() + """
            "grid":"24x24","batch":1,"dtype":"float16","variant":"dense","graph":false,"ms":{"warm":{"median":0.3}}}}
            {"step":"torch","row":"y","outc
            """);

        BundleReport report = BundleReport.Read(Folder.Path)!;
        string text = report.ToMarkdown();

        using (Assert.EnterMultipleScope())
        {
            Assert.That(text, Does.Contain("# GPU bundle: Test GPU").And.Contain("| GemmMma | passed | 128 registers |")
                .And.Contain(@"| Gate | failed | a \| b |"));
            Assert.That(text, Does.Contain(
                "| clip-l-336-separate | 8 | float16 | 0.250 | 0.500 | dense + graph | **2.00** |  |"));
            Assert.That(text, Does.Contain(
                "| clip-l-336-separate | 1 | float16 | 0.250 | 0.300 | dense | **1.20** | bar 1.50 missed |"));
            Assert.That(text, Does.Not.Contain("| 0.200 |"), "the variant is not the engine");
            Assert.That(report.Gpu!.Rows, Has.Count.EqualTo(3));
            Assert.That(report.Gpu.ToMarkdown(), Does.Contain("| 128x128 | 0.200 | -20.0% |"));
            Assert.That(report.Gpu.ToMarkdown(), Does.Contain("### clip-l-336-separate, batch 8, float16").And.Contain(
                "| proj | GemmMma | 1 | 125.0 | 100% | 50.00 | 100.0 | 400.0 | 75% | 800 | 25% | |"));
            Assert.That(report.Status("here"), Does.Contain("1 of 2 kernels load").And.Contain("float16, batch 8: " +
                "0.250 ms, 32000 images/s; PyTorch (dense + graph) takes 2.00 times").And.Not.Contain("0.200 ms"));
            Assert.That(new ResultLog(Folder.Path, "probe").Contains("Gate"));
            Assert.That(File.ReadAllLines(Folder.File("results.md")), Has.Length.EqualTo(7));
        }
    }

    [Test]
    public void Results_without_a_GPU_are_no_report()
    {
        new ResultLog(Folder.Path, "machine").Add(MachineCommand.Row, Outcome.Failed, "no driver");
        Assert.That(BundleReport.Read(Folder.Path), Is.Null);
    }
}
