namespace MsResampler.Training.Tests.Gradients;

/// <summary>The differences that gradients are compared with.</summary>
[Parallelizable(ParallelScope.All)]
internal sealed class DifferenceTests
{
    /// <summary>Two estimates with different steps and orders of error agree.</summary>
    /// <remarks>The absolute part is the rounding error: 1e-15·loss/h, where h is 2e-6 and losses are below
    /// 20.</remarks>
    [Test]
    public void Differences_are_accurate_to_1e_7([Range(0, TinyCase.Count - 1, 10)] int index)
    {
        TinyCase drawn = new(index);
        ReferenceLoss loss = new(drawn);
        Random random = new(index);
        foreach (string name in loss.Model.Tensors.Select(tensor => tensor.Name).Append("features"))
        {
            double[] values = name == "features" ? loss.Features : loss.Model[name];
            sbyte[] direction = Directions.Signs(random, values.Length);
            double derivative = loss.Derivative(values, direction);
            Assert.That(loss.Extrapolated(values, direction),
                Is.EqualTo(derivative).Within((1e-7 * Math.Abs(derivative)) + 1e-8), $"{name} of {drawn}");
        }
    }
}
