namespace PtxEmulator.Numerics;

/// <summary>Sums, products and quotients as a rounded double and its residual, so that rounding in any mode to any
/// format happens once.</summary>
internal static class ExactMath
{
    public static (double Value, double Residual) Add(double a, double b)
    {
        double sum = a + b;
        double shadow = sum - a;
        double residual = (a - (sum - shadow)) + (b - shadow);
        return (sum, double.IsFinite(sum) ? residual : 0);
    }

    public static (double Value, double Residual) Multiply(double a, double b)
    {
        double product = a * b;
        return (product, double.IsFinite(product) ? Math.FusedMultiplyAdd(a, b, -product) : 0);
    }

    /// <summary>a·b + c, by the algorithm of Boldo and Muller.</summary>
    public static (double Value, double Residual) FusedMultiplyAdd(double a, double b, double c)
    {
        double result = Math.FusedMultiplyAdd(a, b, c);
        if (!double.IsFinite(result))
            return (result, 0);
        (double product, double productRest) = Multiply(a, b);
        (double low, double lowRest) = Add(c, productRest);
        (double high, double highRest) = Add(product, low);
        return (result, (high - result) + highRest + lowRest);
    }

    public static (double Value, double Residual) Divide(double a, double b)
    {
        double quotient = a / b;
        if (!double.IsFinite(quotient) || double.IsInfinity(b))
            return (quotient, 0);
        return (quotient, Math.FusedMultiplyAdd(-quotient, b, a) * Math.Sign(b));
    }

    public static (double Value, double Residual) Sqrt(double a)
    {
        double root = Math.Sqrt(a);
        return (root, double.IsFinite(root) ? Math.FusedMultiplyAdd(-root, root, a) : 0);
    }

    public static double FlushSubnormal(double value, double smallestNormal)
        => Math.Abs(value) < smallestNormal ? Math.CopySign(0, value) : value;
}
