namespace PtxEmulator.Tests;

/// <summary>The .approx instructions are within the error bounds of the ISA, and exact at zeros, infinities and
/// NaN.</summary>
internal sealed class ApproximationTests
{
    private static readonly float[] s_edges = [.. Values.Of<float>(), .. Spread(-30, 30)];

    private static IEnumerable<PtxCase> Reciprocals()
    {
        yield return PtxCase.Near("rcp.approx.ftz.f32 %r, %a;", s_edges, Flushed(a => 1 / a), Relative(-23));
        yield return PtxCase.Near("rcp.approx.f32 %r, %a;", s_edges, Bounded(a => 1 / a), Relative(-23));
        yield return PtxCase.Near("sqrt.approx.ftz.f32 %r, %a;", s_edges, Flushed(Math.Sqrt), Relative(-23));
        yield return PtxCase.Near("sqrt.approx.f32 %r, %a;", s_edges, Math.Sqrt, Relative(-23));
        yield return PtxCase.Near("rsqrt.approx.ftz.f32 %r, %a;", s_edges, Flushed(InverseRoot), Relative(-22.9));
        yield return PtxCase.Near("rsqrt.approx.f32 %r, %a;", s_edges, InverseRoot, Relative(-22.9));
    }

    private static IEnumerable<PtxCase> Transcendentals()
    {
        float[] specials = [0, -0f, float.NaN, float.PositiveInfinity, float.NegativeInfinity];
        float[] exponents = [.. Spread(-126, 127), .. Spread(-149, -120), -1e30f, -200, 200, 128, 1e30f, float.Epsilon,
            -float.Epsilon, .. specials];
        yield return PtxCase.Near(
            "ex2.approx.ftz.f32 %r, %a;", exponents, Flushed(a => Math.Pow(2, a)), Relative(-22));
        yield return PtxCase.Near("ex2.approx.f32 %r, %a;", exponents, Bounded(a => Math.Pow(2, a)), Relative(-22));

        float[] arguments = [.. s_edges, .. Spread(0.4f, 2.5f)];
        yield return PtxCase.Near("lg2.approx.ftz.f32 %r, %a;", arguments, Flushed(Math.Log2), Logarithmic);
        yield return PtxCase.Near("lg2.approx.f32 %r, %a;", arguments, Math.Log2, Logarithmic);

        float[] angles = [.. Spread(-3.14159f, 3.14159f), .. specials];
        yield return PtxCase.Near("sin.approx.f32 %r, %a;", angles, Math.Sin, _ => Math.Pow(2, -20.5));
        yield return PtxCase.Near("cos.approx.f32 %r, %a;", angles, Math.Cos, _ => Math.Pow(2, -20.5));
        yield return PtxCase.Near("tanh.approx.f32 %r, %a;", s_edges, Math.Tanh, Relative(-11));
    }

    /// <summary>The 16-bit instructions, on values that these types represent exactly.</summary>
    private static IEnumerable<PtxCase> Halves()
    {
        float[] halves = [.. Spread(-14, 15).Select(value => (float)(Half)value)];
        float[] bfloats = [.. Spread(-100, 100).Select(value => (float)(BFloat16)value)];
        yield return Narrow("f16", "ex2.approx.f16", halves, a => Math.Pow(2, a), Relative(-9.9));
        yield return Narrow("f16", "tanh.approx.f16", halves, Math.Tanh, _ => Math.Pow(2, -10.987));
        yield return Narrow("bf16", "ex2.approx.ftz.bf16", bfloats, a => Math.Pow(2, a), Relative(-7));
        yield return Narrow("bf16", "tanh.approx.bf16", bfloats, Math.Tanh, _ => Math.Pow(2, -8));

        static PtxCase Narrow(
            string type, string name, float[] values, Func<double, double> exact, Func<double, double> allowed) =>
            PtxCase.Near($"cvt.rn.{type}.f32 %h, %a; {name} %h, %h; cvt.f32.{type} %r, %h;", values, exact, allowed);
    }

    /// <summary>Within two units in the last place if the operands, the quotient and the reciprocal of the divisor
    /// are normal.</summary>
    private static IEnumerable<PtxCase> Quotients() =>
        from name in new[] { "div.approx.f32", "div.full.f32", "div.approx.ftz.f32", "div.full.ftz.f32" }
        from divisor in new[] { 3, -1.1f, 1e-30f, 8e37f, 0.3333333f }
        select PtxCase.Near($"{name} %r, %a, 0f{BitConverter.SingleToUInt32Bits(divisor):X8};",
            [.. s_edges.Where(value => !float.IsSubnormal(value)
                && Math.Abs(value / (double)divisor) is >= 1.2e-38 and < 3.4e38 or 0)],
            a => a / divisor, Relative(-22));

    private static IEnumerable<PtxCase> Table() =>
        [.. Reciprocals(), .. Transcendentals(), .. Halves(), .. Quotients()];

    [TestCaseSource(nameof(Table))]
    public void An_approximation_is_within_its_error(PtxCase table) => table.Verify();

    private static IEnumerable<PtxCase> Erring() => Reciprocals().Concat(Transcendentals())
        .Where(table => !table.ToString().StartsWith("sin", StringComparison.Ordinal)
            && !table.ToString().StartsWith("cos", StringComparison.Ordinal));

    [TestCaseSource(nameof(Erring))]
    public void An_approximation_may_err_within_its_error(PtxCase table)
    {
        table.Verify(new() { ApproximationSeed = 1 });
        ulong[] exact = table.Run();
        ulong[] erring = table.Run(new() { ApproximationSeed = 1 });
        Assert.That(exact.Zip(erring).Count(pair => pair.First != pair.Second), Is.GreaterThan(exact.Length / 10));
        Assert.That(table.Run(new() { ApproximationSeed = 1, Seed = 5 }), Is.EqualTo(erring), "the seed is the same");
        Assert.That(table.Run(new() { ApproximationSeed = 2 }), Is.Not.EqualTo(erring), "the seed is another");
    }

    /// <summary>A relative error, plus one unit of the subnormal numbers.</summary>
    private static Func<double, double> Relative(double power) =>
        value => (Math.Abs(value) * Math.Pow(2, power)) + float.Epsilon;

    private static double Logarithmic(double value) => Math.Max(Math.Abs(value), 1) * Math.Pow(2, -22);

    private static double InverseRoot(double value) => value == 0 ? 1 / value : 1 / Math.Sqrt(value);

    /// <summary>A value beyond the range of float becomes infinite.</summary>
    private static Func<double, double> Bounded(Func<double, double> exact) => a =>
        exact(a) is var value && Math.Abs(value) > float.MaxValue
            ? double.CopySign(double.PositiveInfinity, value) : value;

    /// <summary>Subnormal operands and results become zero.</summary>
    private static Func<double, double> Flushed(Func<double, double> exact) => a => Normal(Bounded(exact)(Normal(a)));

    private static double Normal(double value) =>
        Math.Abs(value) < 1.17549435e-38 ? double.CopySign(0, value) : value;

    private static IEnumerable<float> Spread(float from, float to) =>
        Enumerable.Range(0, 1000).Select(index => from + ((to - from) * index / 999));
}
