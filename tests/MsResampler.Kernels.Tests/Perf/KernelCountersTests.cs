using MsResampler.Perf.Gpu;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>Tables of Nsight Compute.</summary>
public sealed class KernelCountersTests
{
    private const string Stall = "smsp__average_warps_issue_stalled_";

    /// <summary>Name, unit and values of two kernels.</summary>
    private static readonly string[][] s_columns =
    [
        ["ID", "", "0", "1"],
        ["Kernel Name", "", "GemmMma_\"\"Wide\"\"", "ScopeAttentionMma"],
        ["Block Size", "", "(128, 1, 1)", "(128, 1, 1)"],
        ["Grid Size", "", "(4608, 3, 1)", "(96, 1, 1)"],
        ["gpu__time_duration.sum", "us", "1,234.56", "10"],
        ["sm__inst_executed_pipe_tensor_op_hmma.avg.pct_of_peak_sustained_active", "%", "61.5", "20"],
        ["l1tex__data_pipe_lsu_wavefronts_mem_shared.avg.pct_of_peak_sustained_elapsed", "%", "48.25", "n/a"],
        ["sm__warps_active.avg.pct_of_peak_sustained_active", "%", "24.9", "50"],
        ["launch__registers_per_thread", "register/thread", "128", "96"],
        [$"{Stall}barrier_per_issue_active.ratio", "inst", "0.75", "1"],
        [$"{Stall}math_pipe_throttle_per_issue_active.ratio", "inst", "2.5", "0"],
        [$"{Stall}barrier_not_issued_per_issue_active.ratio", "inst", "9", "0"],
        ["smsp__cycles.sum", "cycle", "1", "1"],
    ];

    private static IEnumerable<string> Table =>
    [
        "==PROF== Connected to process 1234 (msresampler-gpu)",
        .. Enumerable.Range(0, s_columns[0].Length).Select(line =>
            string.Join(',', s_columns.Select(column => $"\"{column[line]}\""))),
        "==PROF== Disconnected from process 1234",
    ];

    [Test]
    public void The_limits_of_each_kernel_are_found()
    {
        KernelCounters[] kernels = [.. KernelCounters.Read(Table)];

        Assert.That(kernels.Select(kernel => kernel.ToLine()), Is.EqualTo(new[]
        {
            "GemmMma_\"Wide\" (4608, 3, 1)×(128, 1, 1), time 1234.6 us, tensor cores 61.5%, shared memory 48.3%, " +
                "achieved occupancy 24.9%, registers 128 register/thread, stalled on math pipe throttle 2.5, " +
                "stalled on barrier 0.8",
            "ScopeAttentionMma (96, 1, 1)×(128, 1, 1), time 10 us, tensor cores 20%, achieved occupancy 50%, " +
                "registers 96 register/thread, stalled on barrier 1.0, stalled on math pipe throttle 0.0",
        }));
        Assert.That(kernels[0].Values.Keys, Has.None.Contains("smsp__cycles"));
    }
}
