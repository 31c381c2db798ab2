namespace MsResampler.Perf.Start;

/// <summary>The start of a process with one model.</summary>
/// <param name="Name">The model and the call.</param>
/// <param name="Phases">The medians of the phases.</param>
/// <param name="Methods">The compiled methods of one more process.</param>
internal sealed record ModelStart(string Name, IReadOnlyList<StartPhase> Phases, IReadOnlyList<CompiledMethod> Methods);
